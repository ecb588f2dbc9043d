//! The group `transit`: queues, versions, and how large what a peer sends may be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Timeout, duration};

/// What is sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TransitConfig {
    /// How many of our requests may wait for answers of other nodes; more fail at once as `QueueIsFull`.
    /// Low refuses bursts; high lets waiting requests fill the memory while a peer hangs.
    ///
    /// Unit: requests. Default: `50000`.
    pub max_queue_size: usize,

    /// How many requests of other nodes are handled at once; more are answered `QueueIsFull`, which callers
    /// may retry elsewhere. Low wastes a fast node; high lets a storm slow down every request.
    ///
    /// Unit: requests. Default: `10000`.
    pub max_in_flight: usize,

    /// How many bytes the packets may have whose handlers are under way, requests and events together; more
    /// requests are answered `QueueIsFull`. Of this bound as of `maxInFlight` events may take four fifths,
    /// above that they are dropped and counted. Low refuses a few large requests; high lets them fill the
    /// memory.
    ///
    /// Unit: bytes. Default: `67108864`.
    pub max_in_flight_bytes: usize,

    /// How many events may wait for a handler that takes them in order; more are dropped and counted. Low
    /// loses events in a burst; high holds them in memory behind a slow handler.
    ///
    /// Unit: events. Default: `10000`.
    pub event_queue: usize,

    /// Gives up at the first failure to connect at the start, instead of trying again until
    /// `connectTimeout`.
    ///
    /// Default: `false`.
    pub disable_reconnect: bool,

    /// Accepted from Moleculer configurations, without effect: packets of both protocol versions are
    /// understood unless `strictVersion` is set.
    ///
    /// Default: `false`.
    pub disable_version_check: bool,

    /// Drops packets of any version but our own, as Moleculer does by default. In a mixed cluster, calls
    /// across versions then end in timeouts.
    ///
    /// Default: `false`.
    pub strict_version: bool,

    /// How long changes of our services are collected before they are announced together. Zero announces
    /// each at once, a packet to every node per change; long leaves other nodes with an old list.
    ///
    /// Unit: milliseconds. Default: `"1s"`.
    #[serde(with = "duration::millis")]
    pub service_changed_debounce_time: Duration,

    /// How long a starting broker tries to connect before its start fails. Short turns a slow message
    /// broker into a crash loop; `"never"` waits for it silently.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub connect_timeout: Timeout,

    /// How long a stopping broker waits for the tasks of its transporter once that is closed. Short leaves a
    /// handler behind that still blocks its thread; long lets such a handler hold up the stop.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub close_timeout: Duration,

    /// How long a start waits for the answer of a node that seems to have our id already, before it goes
    /// on. Short misses a slow owner of the id; long delays the start, though only when there is evidence.
    ///
    /// Unit: milliseconds. Default: `"500ms"`.
    #[serde(with = "duration::millis")]
    pub id_conflict_wait: Duration,

    /// How large and deep what other nodes send may be, parameters and data apart: those are bounded by the
    /// size of a packet, which is a limit of the transporter. What is over a limit is refused. Limits below
    /// what the cluster really uses make its nodes refuse each other; high ones let one bad peer cost memory
    /// and time.
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

/// How large what other nodes send may be, parameters and data apart: those are bounded by the size of a
/// packet alone.
///
/// A packet over a limit is refused. Limits below what the cluster really uses make its nodes refuse each
/// other; high ones let one bad peer cost memory and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limits {
    /// How deep objects and lists may be nested. The parser itself ends at 128.
    ///
    /// Unit: levels. Default: `128`.
    pub depth: usize,

    /// The longest text.
    ///
    /// Unit: bytes. Default: `1048576`.
    pub string: usize,

    /// How many entries one object or list may have.
    ///
    /// Unit: entries. Default: `65536`.
    pub entries: usize,

    /// How many bytes the `meta` of a request, response or event may take.
    ///
    /// Unit: bytes. Default: `65536`.
    pub meta: usize,

    /// How many services one node may announce.
    ///
    /// Unit: services. Default: `1000`.
    pub services: usize,

    /// How many actions, and how many events, one service may announce.
    ///
    /// Unit: actions. Default: `1000`.
    pub actions: usize,

    /// The longest name of a node, service, action or event. Moleculer sets none; topics of most message
    /// brokers end near 255.
    ///
    /// Unit: bytes. Default: `255`.
    pub name: usize,

    /// The longest id of a request or packet. Moleculer's have 36; ids of a custom generator may be longer.
    ///
    /// Unit: bytes. Default: `128`.
    pub id: usize,

    /// How many groups one event may name.
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
