//! The groups of options below the top level, except `transit`.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{DiscovererConfig, StrategyKind, duration};

/// What happens to requests that still run when the broker stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrackingConfig {
    /// Accepted from Moleculer configurations, without effect: requests in flight are always awaited.
    ///
    /// Default: `true`.
    pub enabled: bool,

    /// How long a stopping broker waits for requests in flight; what still runs then is cancelled. Shorter
    /// than an action takes, and its caller gets an error; too long, and a hanging handler holds up a
    /// deployment until the supervisor kills the process.
    ///
    /// Unit: milliseconds. Default: `"5s"`.
    #[serde(with = "duration::millis")]
    pub shutdown_timeout: Duration,
}

impl Default for TrackingConfig {
    fn default() -> Self {
        Self { enabled: true, shutdown_timeout: Duration::from_secs(5) }
    }
}

/// The `$node` service. A plain `true` or `false` sets `enabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InternalServices {
    /// Whether `$node` exists. Without it, tools that list nodes, services and health see nothing here.
    ///
    /// Default: `true`.
    pub enabled: bool,

    /// Whether `$node.options` answers callers on other nodes. It shows this configuration (without
    /// passwords) to whoever can reach the cluster.
    ///
    /// Default: `false`.
    #[serde(rename = "remote")]
    pub remote_options: bool,
}

impl Default for InternalServices {
    fn default() -> Self {
        Self { enabled: true, remote_options: false }
    }
}

impl<'de> Deserialize<'de> for InternalServices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        struct Fields {
            enabled: bool,
            remote: bool,
        }

        impl Default for Fields {
            fn default() -> Self {
                let InternalServices { enabled, remote_options } = InternalServices::default();
                Self { enabled, remote: remote_options }
            }
        }

        struct SwitchOrFields;

        impl<'de> Visitor<'de> for SwitchOrFields {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or an object with the keys enabled and remote")
            }

            fn visit_bool<E: Error>(self, enabled: bool) -> Result<Fields, E> {
                Ok(Fields { enabled, ..Fields::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields, A::Error> {
                Fields::deserialize(MapAccessDeserializer::new(map))
            }
        }

        let Fields { enabled, remote } = deserializer.deserialize_any(SwitchOrFields)?;
        Ok(Self { enabled, remote_options: remote })
    }
}

/// Which nodes are known and which of them gets a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct RegistryConfig {
    /// Which of several nodes with the same action gets a call: `"RoundRobin"` spreads evenly, `"Random"`
    /// needs no shared state.
    ///
    /// Default: `"RoundRobin"`.
    pub strategy: StrategyKind,

    /// Calls an action of this node if it has it, before asking others. Without it, calls that could stay
    /// in the process cross the network; with it, a node that receives the load keeps the load.
    ///
    /// Default: `true`.
    pub prefer_local: bool,

    /// How long a stopping node keeps serving after it announced its leave, so that the news reaches its
    /// callers first. Zero makes some callers meet a closed door; long values slow each stop.
    ///
    /// Unit: milliseconds. Default: `"100ms"`.
    #[serde(with = "duration::millis")]
    pub stop_delay: Duration,

    /// The longest that a stopping node keeps serving while requests keep coming. Short refuses callers that
    /// have not heard the news yet; long lets one that never hears it hold up the stop.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub stop_delay_limit: Duration,

    /// How long a node that went away is still listed as offline. Short, and operators miss who vanished;
    /// long, and nodes with changing ids fill the list.
    ///
    /// Unit: seconds. Default: `"10m"`.
    #[serde(with = "duration::seconds")]
    pub clean_offline_nodes_timeout: Duration,

    /// How many nodes are remembered, offline ones included. A further one takes the place of the one that is
    /// offline longest, and is ignored where all are online. It bounds what a flood of invented node ids can
    /// make us store; lower than the cluster, and real nodes stay unseen. More than 65,000 count as 65,000.
    ///
    /// Unit: nodes. Default: `10000`.
    pub max_nodes: usize,

    /// How nodes learn of each other. Without one they do it over the transporter. `"Redis"`,
    /// `"redis://host:6379/0"` or an object with `type` and `options` (`redis`, `fullCheck`, `scanLength`,
    /// `serializer`) puts what they are into Redis, as Moleculer's Redis discoverer does (feature
    /// `discovery-redis`). Its `serializer` is `"JSON"` unless given, whatever the cluster speaks. All nodes
    /// of a cluster need the same one, or they do not see each other. Passwords in it are never printed.
    ///
    /// Default: none.
    pub discoverer: Option<DiscovererConfig>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            strategy: StrategyKind::default(),
            prefer_local: true,
            stop_delay: Duration::from_millis(100),
            stop_delay_limit: Duration::from_secs(2),
            clean_offline_nodes_timeout: Duration::from_secs(600),
            max_nodes: 10_000,
            discoverer: None,
        }
    }
}

/// Notices handlers that block their thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct WatchdogConfig {
    /// How long a handler may keep its thread before another task goes on reading in its place. Very short
    /// moves work between threads for nothing; long lets one blocking handler delay all requests that
    /// arrived with it.
    ///
    /// Unit: milliseconds. Default: `"5ms"`.
    #[serde(with = "duration::millis")]
    pub patience: Duration,
}

impl Default for WatchdogConfig {
    fn default() -> Self {
        Self { patience: Duration::from_millis(5) }
    }
}

/// Where heartbeats, gossip and registry changes are worked off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ControlConfig {
    /// Gives them a thread of their own, so that handlers which block every worker cause no false
    /// disconnect. Without it, they run as tasks beside the handlers: right for tests on paused time.
    ///
    /// Default: `true`.
    pub thread: bool,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self { thread: true }
    }
}

/// What errors tell other nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorsConfig {
    /// Sends stack traces to callers on other nodes. Handy while developing; in production it tells
    /// whoever calls how the program looks inside.
    ///
    /// Default: `false`.
    pub stack: bool,
}

/// What other nodes are told about how to reach this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct AdvertiseConfig {
    /// The host name others connect to; without one, that of the system. A name others cannot resolve
    /// leaves this node visible and unreachable.
    ///
    /// Default: none.
    pub hostname: Option<String>,

    /// The addresses others may connect to, best first; without any, those of the network interfaces.
    ///
    /// Default: none.
    pub ip_list: Option<Vec<String>>,

    /// The port others connect to, where a container or NAT maps another one to ours; without one, the
    /// port we listen on.
    ///
    /// Default: none.
    pub port: Option<u16>,
}
