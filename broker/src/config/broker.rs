//! The options of a broker, top level.
//!
//!
//! The doc comment of each field is also its row in `docs/configuration.md` (see `reference.rs`). It says
//! what happens if the value is too small or too large, and ends with unit and default. Names are Moleculer's
//! where it has one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::duration;
use super::parts::{
    AdvertiseConfig, ControlConfig, ErrorsConfig, InternalServices, RegistryConfig, TrackingConfig,
    WatchdogConfig,
};
use super::transit::TransitConfig;
use super::{OnIdConflict, Protocol, SerializerKind, Timeout, TransporterConfig};

/// All configuration of a broker that is data.
///
/// Start from [`BrokerConfig::default`] and set fields, or read the environment and files with
/// [`ConfigLoader`](super::ConfigLoader). In files and JSON, the keys are the names of the fields in
/// camelCase. An unknown key is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Separates clusters that share a network: only nodes with the same namespace see each other. It becomes
    /// part of topic names, so use letters, digits, `-`, `_` and `.`, which every transporter allows. If two
    /// environments share it by mistake, they call each other's services.
    ///
    /// Default: `""`.
    pub namespace: String,

    /// The id of this node, unique in its cluster. It may contain letters, digits and `-_.:@$~`. The default
    /// is made from the host name and the process id. If two nodes have the same id, all other nodes lose
    /// track of both. The spelling `nodeId` is accepted too.
    ///
    /// Default: none.
    #[serde(rename = "nodeID", alias = "nodeId")]
    pub node_id: Option<String>,

    /// How to reach other nodes: a URL or a name such as `"tcp://"`, or an object with `type` and `options`.
    /// Without it, the broker is alone. Passwords in it are never printed.
    ///
    /// Default: none.
    pub transporter: Option<TransporterConfig>,

    /// How packets are encoded: `"JSON"`, `"JSONExt"` (Moleculer 0.15 only), `"MsgPack"`, `"Notepack"` or
    /// `"CBOR"`, in upper or lower case. It may also be an object with `type`. All nodes of a cluster need
    /// the same serializer. Packets of another serializer are dropped, and their sender is logged once.
    ///
    /// Default: `"JSON"`.
    #[serde(deserialize_with = "super::choices::serializer")]
    pub serializer: SerializerKind,

    /// The protocol version of packets that go to all nodes, or to a node that has not sent anything yet:
    /// `"5"` for Moleculer 0.15, `"4"` for 0.14. Any other node gets the version of its last packet. With
    /// `"both"`, the few packets for all nodes are sent once in each version. So nodes of both versions see
    /// this one on a bus, even if they check versions. Each of them then logs the packets that it drops.
    ///
    /// Default: `"5"`.
    pub protocol: Protocol,

    /// How long a call may take before it times out, if the call does not say otherwise. If it is shorter
    /// than a healthy action needs, good answers are lost. If it is very long or `"never"`, callers pile up
    /// behind an action that hangs.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub request_timeout: Timeout,

    /// How many levels deep calls may be nested. If it is too low, legitimate call chains are refused.
    /// Without a limit (0), a service that calls itself runs until memory is exhausted.
    ///
    /// Unit: calls. Default: `100`.
    pub max_call_level: u32,

    /// How often this node sends a heartbeat, if the transporter needs heartbeats. If it is short, every node
    /// gets more packets from every other node. If it is long, other nodes notice later that a node has died.
    ///
    /// Unit: seconds. Default: `"10s"`.
    #[serde(with = "duration::seconds")]
    pub heartbeat_interval: Duration,

    /// A node that sends nothing for this long is considered dead. It must be longer than the longest
    /// `heartbeatInterval` in the cluster, preferably three times as long. If it is too short, healthy nodes
    /// are considered dead for a while. If it is too long, calls still go to a dead node.
    ///
    /// Unit: seconds. Default: `"30s"`.
    #[serde(with = "duration::seconds")]
    pub heartbeat_timeout: Duration,

    /// What happens to running requests when the broker stops.
    pub tracking: TrackingConfig,

    /// Lets the message server choose who gets a call or an event, instead of the sender. It must be set on
    /// all nodes of a cluster: a node without it gets no share of the calls. Responses are then accepted from
    /// any node, and a call to a node that dies waits until its deadline. If the transporter cannot balance,
    /// the option is switched back with a warning.
    ///
    /// Default: `false`.
    pub disable_balancer: bool,

    /// Accepted from Moleculer configurations, without effect. Parameters of a local call are never shared
    /// mutably, so there is no need to clone them.
    ///
    /// Default: `false`.
    pub context_params_cloning: bool,

    /// The service `$node`: `true` or `false` for all of it, or an object with the keys below.
    pub internal_services: InternalServices,

    /// Anything that other nodes should know about this one, such as a zone or a build number. It is
    /// published in INFO: it travels to every node, and anyone on the network can read it. So it should
    /// contain no secrets, and be small.
    ///
    /// Default: `{}`.
    pub metadata: Map<String, Value>,

    /// Which nodes are known, and which of them gets a call.
    pub registry: RegistryConfig,

    /// What is sent and received.
    pub transit: TransitConfig,

    /// How long a starting service waits for the services that it depends on. After that its start fails, and
    /// names the missing services. If it is too short, a cluster whose nodes start at the same time fails.
    /// With `"never"`, a forgotten service shows only in a node that never becomes ready.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub dependency_timeout: Timeout,

    /// Accepted from Moleculer configurations, without effect. A service that waits for its dependencies is
    /// woken by changes of the registry, and does not poll.
    ///
    /// Unit: milliseconds. Default: `"1s"`.
    #[serde(with = "duration::millis")]
    pub dependency_interval: Duration,

    /// How long a ping waits for its answer. If it is shorter than a round trip, nodes that are alive seem
    /// dead.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub ping_timeout: Duration,

    /// Detects handlers that block their thread.
    pub watchdog: WatchdogConfig,

    /// Where heartbeats, gossip and registry changes are processed.
    pub control: ControlConfig,

    /// What errors reveal to other nodes.
    pub errors: ErrorsConfig,

    /// How other nodes reach this one, if it is behind NAT or in a container.
    pub advertise: AdvertiseConfig,

    /// What to do when another node with the id of this one appears while this one runs. `"keep"` logs it,
    /// raises an event and continues. `"stop"` stops this broker, so an impostor can take it down.
    ///
    /// Default: `"keep"`.
    pub on_id_conflict: OnIdConflict,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            node_id: None,
            transporter: None,
            serializer: SerializerKind::default(),
            protocol: Protocol::default(),
            request_timeout: Timeout::After(Duration::from_secs(30)),
            max_call_level: 100,
            heartbeat_interval: Duration::from_secs(10),
            heartbeat_timeout: Duration::from_secs(30),
            tracking: TrackingConfig::default(),
            disable_balancer: false,
            context_params_cloning: false,
            internal_services: InternalServices::default(),
            metadata: Map::new(),
            registry: RegistryConfig::default(),
            transit: TransitConfig::default(),
            dependency_timeout: Timeout::After(Duration::from_secs(30)),
            dependency_interval: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(2),
            watchdog: WatchdogConfig::default(),
            control: ControlConfig::default(),
            errors: ErrorsConfig::default(),
            advertise: AdvertiseConfig::default(),
            on_id_conflict: OnIdConflict::default(),
        }
    }
}
