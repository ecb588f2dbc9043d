//! The options of a broker, top level.
//!
//! The doc comment of each field is also its row in `docs/configuration.md` (see `reference.rs`): it says
//! what happens at each extreme and ends with unit and default. Names are Moleculer's where it has one.

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

/// Everything about a broker that is data.
///
/// Start from [`BrokerConfig::default`] and set fields, or read the environment and files with
/// [`ConfigLoader`](super::ConfigLoader). Keys in files and JSON are the camelCase names of the fields;
/// unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Separates clusters that share a network: only nodes with the same namespace see each other. Becomes
    /// part of topic names, so letters, digits, `-`, `_` and `.` are safe with each transporter. Two
    /// environments that share it by mistake call each other's services.
    ///
    /// Default: `""`.
    pub namespace: String,

    /// The id of this node, unique in its cluster; letters, digits and `-_.:@$~`. Without one it is made of
    /// host name and process id. Two nodes with one id make every other node lose track of both. The
    /// spelling `nodeId` is accepted too.
    ///
    /// Default: none.
    #[serde(rename = "nodeID", alias = "nodeId")]
    pub node_id: Option<String>,

    /// How to reach other nodes: a URL or name such as `"tcp://"`, or an object with `type` and `options`.
    /// Without one the broker is alone. Passwords in it are never printed.
    ///
    /// Default: none.
    pub transporter: Option<TransporterConfig>,

    /// How packets are written: `"JSON"`, `"JSONExt"` (Moleculer 0.15 only), `"MsgPack"`, `"Notepack"` or
    /// `"CBOR"`; in upper or lower case, also as an object with `type`. All nodes of a cluster need the same
    /// one: packets of another are dropped, and its name is logged once per sender.
    ///
    /// Default: `"JSON"`.
    #[serde(deserialize_with = "super::choices::serializer")]
    pub serializer: SerializerKind,

    /// The version stamped on packets for everybody, and for nodes never heard of: `"5"` for Moleculer 0.15,
    /// `"4"` for 0.14. A node that was heard of is spoken to in the version of its last packet. `"both"` sends
    /// the few packets for everybody once per version, so that nodes of both, each checking versions, see
    /// this one on a bus; each of them then logs the half that it drops.
    ///
    /// Default: `"5"`.
    pub protocol: Protocol,

    /// How long a call may take before it fails as timed out, unless the call says otherwise. Shorter than
    /// a healthy action needs, and good answers are thrown away; very long or `"never"`, and callers pile
    /// up behind an action that hangs.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub request_timeout: Timeout,

    /// How deep calls may call further calls. Too low refuses honest call chains; without a limit (0) a
    /// service that calls itself runs until memory ends.
    ///
    /// Unit: calls. Default: `100`.
    pub max_call_level: u32,

    /// How often this node says that it is alive, where the transporter needs that. Short intervals cost a
    /// packet per node and interval on every node; long ones delay the notice that a node died.
    ///
    /// Unit: seconds. Default: `"10s"`.
    #[serde(with = "duration::seconds")]
    pub heartbeat_interval: Duration,

    /// A node that was silent for this long is taken for dead. Must be longer than the longest
    /// `heartbeatInterval` in the cluster, better three times that, or healthy nodes flicker; too long, and
    /// calls keep going to a dead node.
    ///
    /// Unit: seconds. Default: `"30s"`.
    #[serde(with = "duration::seconds")]
    pub heartbeat_timeout: Duration,

    /// What happens to requests that still run when the broker stops.
    pub tracking: TrackingConfig,

    /// Lets the message server choose who gets a call or an event, instead of the sender. Must be set on all
    /// nodes of a cluster: one without it gets no share of the calls. A response is then believed whichever
    /// node it comes from, and a call to a node that dies waits for its deadline. A transporter that cannot
    /// do it switches it back with a warning.
    ///
    /// Default: `false`.
    pub disable_balancer: bool,

    /// Accepted from Moleculer configurations, without effect: parameters of a local call are never shared
    /// mutably here, so there is nothing to protect by cloning.
    ///
    /// Default: `false`.
    pub context_params_cloning: bool,

    /// The `$node` service. `true` or `false` for all of it, or an object with the keys below.
    pub internal_services: InternalServices,

    /// Anything other nodes should know about this one, published in its INFO: a zone, a build number. It
    /// travels to every node and anyone on the network can read it, so no secrets and no megabytes.
    ///
    /// Default: `{}`.
    pub metadata: Map<String, Value>,

    /// Which nodes are known and which of them gets a call.
    pub registry: RegistryConfig,

    /// What is sent and received.
    pub transit: TransitConfig,

    /// How long a starting service waits for the services it depends on before its start fails and names
    /// what is missing. Too short fails a cluster that starts all at once; `"never"` hides a forgotten
    /// service behind a node that never becomes ready.
    ///
    /// Unit: milliseconds. Default: `"30s"`.
    pub dependency_timeout: Timeout,

    /// Accepted from Moleculer configurations, without effect: waiting for dependencies is woken by changes
    /// of the registry and polls nothing.
    ///
    /// Unit: milliseconds. Default: `"1s"`.
    #[serde(with = "duration::millis")]
    pub dependency_interval: Duration,

    /// How long a ping waits for its answer. Shorter than a round trip, and living nodes seem dead.
    ///
    /// Unit: milliseconds. Default: `"2s"`.
    #[serde(with = "duration::millis")]
    pub ping_timeout: Duration,

    /// Notices handlers that block their thread.
    pub watchdog: WatchdogConfig,

    /// Where heartbeats, gossip and registry changes are worked off.
    pub control: ControlConfig,

    /// What errors tell other nodes.
    pub errors: ErrorsConfig,

    /// What other nodes are told about how to reach this one, behind NAT or in a container.
    pub advertise: AdvertiseConfig,

    /// What to do when another node with our id appears while we run: `"keep"` logs it, raises an event and
    /// goes on; `"stop"` stops this broker, which then lets an impostor take it down.
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
