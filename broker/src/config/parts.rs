//! The groups of options below the top level, without `transit`.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{DiscovererConfig, StrategyKind, duration};

/// What happens to running requests when the broker stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrackingConfig {
    /// Accepted from Moleculer configurations, without effect. A stop always waits for running requests.
    ///
    /// Default: `true`.
    pub enabled: bool,

    /// How long a stopping broker waits for running requests. Those that still run then are cancelled. If it
    /// is shorter than an action takes, the caller gets an error. If it is too long, a handler that hangs
    /// delays a deployment until the supervisor kills the process.
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

/// The service `$node`. A plain `true` or `false` sets `enabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InternalServices {
    /// Whether `$node` exists. Without it, tools that list nodes, services and health see nothing of this
    /// node.
    ///
    /// Default: `true`.
    pub enabled: bool,

    /// Whether `$node.options` answers callers on other nodes. It shows this configuration, without
    /// passwords, to everyone who can reach the cluster.
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

/// Which nodes are known, and which of them gets a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct RegistryConfig {
    /// Which of several nodes with the same action gets a call. `"RoundRobin"` distributes calls evenly.
    /// `"Random"` needs no shared state.
    ///
    /// Default: `"RoundRobin"`.
    pub strategy: StrategyKind,

    /// If this node offers an action, calls to it stay on this node. If it is `false`, such calls may cross
    /// the network. If it is `true`, a node that receives the load keeps it.
    ///
    /// Default: `true`.
    pub prefer_local: bool,

    /// How long a stopping node continues to serve after it has announced that it leaves, so that its callers
    /// learn of it first. With zero, some calls are refused. A long delay makes each stop slower.
    ///
    /// Unit: milliseconds. Default: `"100ms"`.
    #[serde(with = "duration::millis")]
    pub stop_delay: Duration,

    /// The longest time that a stopping node continues to serve while requests keep arriving. If it is short,
    /// callers that have not received the announcement yet are refused. If it is long, a caller that never
    /// receives it delays the stop.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub stop_delay_limit: Duration,

    /// How long a node that has left stays in the list as offline. If it is short, operators may not see
    /// which node disappeared. If it is long, nodes with changing ids fill the list.
    ///
    /// Unit: seconds. Default: `"10m"`.
    #[serde(with = "duration::seconds")]
    pub clean_offline_nodes_timeout: Duration,

    /// How many nodes are remembered, including offline ones. A further node replaces the one that has been
    /// offline longest. If all are online, it is ignored. This limits the memory that a flood of invented
    /// node ids can take. If it is lower than the number of nodes in the cluster, some of them are not seen.
    /// Values above 65,000 count as 65,000.
    ///
    /// Unit: nodes. Default: `10000`.
    pub max_nodes: usize,

    /// How nodes learn of each other. Without it, they use the transporter. With `"Redis"`,
    /// `"redis://host:6379/0"`, or an object with `type` and `options` (`redis`, `fullCheck`, `scanLength`,
    /// `serializer`), they announce themselves through records in Redis, as Moleculer's Redis discoverer does
    /// (feature `discovery-redis`). Its `serializer` is `"JSON"` by default, whichever serializer the cluster
    /// uses. All nodes of a cluster need the same discoverer; otherwise they do not see each other. Passwords
    /// in it are never printed.
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

/// Detects handlers that block their thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct WatchdogConfig {
    /// How long a handler may block its thread before another task continues to read in its place. If it is
    /// very short, work moves between threads without need. If it is long, one blocking handler delays all
    /// requests that arrived with it.
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

/// Where heartbeats, gossip and registry changes are processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ControlConfig {
    /// Gives them a thread of their own, so that handlers which block all workers cause no false disconnect.
    /// Without it, they run as tasks beside the handlers, which is right for tests with paused time.
    ///
    /// Default: `true`.
    pub thread: bool,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self { thread: true }
    }
}

/// What errors reveal to other nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorsConfig {
    /// Sends stack traces to callers on other nodes. This is useful during development. In production, it
    /// reveals the structure of the program to every caller.
    ///
    /// Default: `false`.
    pub stack: bool,
}

/// How other nodes reach this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct AdvertiseConfig {
    /// The host name that other nodes use to reach this one. The default is the name of the system. If other
    /// nodes cannot resolve the name, they see this node but cannot reach it.
    ///
    /// Default: none.
    pub hostname: Option<String>,

    /// The addresses that other nodes use to reach this one, the best one first. The default is the addresses
    /// of the network interfaces.
    ///
    /// Default: none.
    pub ip_list: Option<Vec<String>>,

    /// The port that other nodes use to reach this one, if a container or NAT maps it to another port. The
    /// default is the port that this node listens on.
    ///
    /// Default: none.
    pub port: Option<u16>,
}
