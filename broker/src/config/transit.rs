//! The group `transit`: queues, versions, and limits for what other nodes send.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Timeout, duration};

/// What is sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TransitConfig {
    /// How many requests of this node may wait for answers of other nodes. Further requests fail at once as
    /// `QueueIsFull`. If it is low, bursts are refused. If it is high, waiting requests fill the memory while
    /// a peer hangs.
    ///
    /// Unit: requests. Default: `50000`.
    pub max_queue_size: usize,

    /// How many requests of other nodes are handled at once. Further requests are answered with
    /// `QueueIsFull`, and callers may try another node. If it is low, a fast node is not used fully. If it is
    /// high, a flood of requests slows all of them down.
    ///
    /// Unit: requests. Default: `10000`.
    pub max_in_flight: usize,

    /// How many bytes the packets of running handlers may have, requests and events together. Further
    /// requests are answered with `QueueIsFull`. Events may use four fifths of this limit and of
    /// `maxInFlight`; above that they are dropped and counted. If it is low, a few large requests are
    /// refused. If it is high, they fill the memory.
    ///
    /// Unit: bytes. Default: `67108864`.
    pub max_in_flight_bytes: usize,

    /// How many events may wait for a handler that takes them in order. Further events are dropped and
    /// counted. If it is low, events are lost in a burst. If it is high, events behind a slow handler fill
    /// the memory.
    ///
    /// Unit: events. Default: `10000`.
    pub event_queue: usize,

    /// At the start, gives up after the first failed attempt to connect, instead of trying again until
    /// `connectTimeout`.
    ///
    /// Default: `false`.
    pub disable_reconnect: bool,

    /// Accepted from Moleculer configurations, without effect. Packets of both protocol versions are accepted
    /// unless `strictVersion` is set.
    ///
    /// Default: `false`.
    pub disable_version_check: bool,

    /// Drops packets of any other protocol version, as Moleculer does by default. In a mixed cluster, calls
    /// between versions then time out.
    ///
    /// Default: `false`.
    pub strict_version: bool,

    /// How long changes of this node's services are collected before they are announced together. With zero,
    /// each change is announced at once, with a packet to every node. If it is long, other nodes have an old
    /// list for that time.
    ///
    /// Unit: milliseconds. Default: `"1s"`.
    #[serde(with = "duration::millis")]
    pub service_changed_debounce_time: Duration,

    /// How long a starting broker tries to connect before its start fails. If it is short, a slow message
    /// server causes a crash loop. With `"never"`, the broker waits for the server without an error.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub connect_timeout: Timeout,

    /// How long a stopping broker waits for the tasks of its transporter after closing it. If it is short, a
    /// handler that still blocks its thread is left behind. If it is long, such a handler delays the stop.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub close_timeout: Duration,

    /// How long a start waits for the answer of another node that seems to use the same id. If it is short, a
    /// slow owner of the id is missed. If it is long, the start takes longer, but only if there is evidence
    /// of such a node.
    ///
    /// Unit: milliseconds. Default: `"500ms"`.
    #[serde(with = "duration::millis")]
    pub id_conflict_wait: Duration,

    /// How large and how deep the packets of other nodes may be, apart from parameters and data, which only the
    /// packet size of the transporter limits. What exceeds a limit is refused. With a limit that is too low, nodes
    /// refuse each other. With a high one, a bad peer can use much memory and time.
    pub limits: Limits,
}

impl Default for TransitConfig {
    fn default() -> Self {
        Self {
            max_queue_size: 50_000,
            max_in_flight: 10_000,
            max_in_flight_bytes: 64 * 1024 * 1024,
            event_queue: 10_000,
            disable_reconnect: false,
            disable_version_check: false,
            strict_version: false,
            service_changed_debounce_time: Duration::from_secs(1),
            connect_timeout: Timeout::After(Duration::from_secs(30)),
            close_timeout: Duration::from_secs(2),
            id_conflict_wait: Duration::from_millis(500),
            limits: Limits::default(),
        }
    }
}

/// How large the packets of other nodes may be. Parameters and data are not included: only the packet size of
/// the transporter limits them.
///
/// A packet that exceeds a limit is refused. If a limit is lower than what the cluster needs, its nodes
/// refuse each other. If it is high, one bad peer can use much memory and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limits {
    /// How deep objects and lists may be nested. The parser itself allows 128 levels.
    ///
    /// Unit: levels. Default: `128`.
    pub depth: usize,

    /// The longest string.
    ///
    /// Unit: bytes. Default: `1048576`.
    pub string: usize,

    /// How many entries an object or a list may have.
    ///
    /// Unit: entries. Default: `65536`.
    pub entries: usize,

    /// How many bytes the `meta` of a request, a response or an event may have.
    ///
    /// Unit: bytes. Default: `65536`.
    pub meta: usize,

    /// How many services a node may announce.
    ///
    /// Unit: services. Default: `1000`.
    pub services: usize,

    /// How many actions a service may announce, and how many events.
    ///
    /// Unit: actions. Default: `1000`.
    pub actions: usize,

    /// The longest name of a node, a service, an action or an event. Moleculer has no limit. Most message
    /// servers limit topics to about 255.
    ///
    /// Unit: bytes. Default: `255`.
    pub name: usize,

    /// The longest id of a request or a packet. Moleculer's ids have 36 bytes. A custom generator may make
    /// longer ones.
    ///
    /// Unit: bytes. Default: `128`.
    pub id: usize,

    /// How many groups an event may name.
    ///
    /// Unit: groups. Default: `64`.
    pub groups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            string: 1024 * 1024,
            entries: 65_536,
            meta: 64 * 1024,
            services: 1_000,
            actions: 1_000,
            name: 255,
            id: 128,
            groups: 64,
        }
    }
}
