//! Everything between this node and the others: packets out, packets in, and the calls that wait for answers.
//!
//! Only this module builds and opens envelopes. The task that read a data packet also handles it
//! ([`inbound`]). Control packets go to a thread of their own ([`membership`](crate::membership)). So a
//! handler, however long it blocks, does not make this node seem dead.

mod addresses;
mod answers;
mod balanced;
mod call;
mod connection;
mod doubles;
mod events;
mod fits;
mod foreign;
mod heard;
mod inbound;
mod lines;
mod load;
mod outage;
mod outbound;
mod oversize;
mod own;
mod pending;
mod ping;
mod records;
mod refusals;
mod requests;
mod sink;
mod standing;
mod start;
mod stats;
mod stop;
mod strangers;
mod transporter_error;
mod uplink;
mod wire;

use ligand_transporters::NodeId;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::broker::{ServiceBroker, Shared};
use crate::config::BrokerConfig;
use crate::membership::{Mailbox, Message};
use crate::protocol::{ProtocolVersion, Raw, Services};
use crate::serializer::Problem;

use addresses::Addresses;
use balanced::Balanced;
#[cfg(feature = "discovery-redis")]
pub(crate) use connection::is_over;
use heard::Coarse;
pub(crate) use load::InHand;
use load::Load;
pub(crate) use outage::{Lost, Outage, Said, shown};
pub(crate) use outbound::EventTarget;
pub(crate) use own::{composer, identity};
pub(crate) use pending::Mark;
use pending::Pending;
pub use ping::PingReply;
use ping::Pings;
pub(crate) use ping::{echo, wall_clock_ms};
use refusals::Refusals;
use standing::Stands;
use stats::Counters;
pub use stats::TransitStats;
use uplink::Uplink;
use wire::Wire;

/// The live connection of a broker to its cluster.
pub(crate) struct Transit {
    node: NodeId,
    config: Arc<BrokerConfig>,
    broker: Weak<Shared>,
    wire: Wire,
    uplink: Uplink,
    load: Load,
    pending: Arc<Pending>,
    pings: Pings,
    control: Mailbox,
    addresses: Addresses,
    stands: Stands,
    balanced: Balanced,
    coarse: Coarse,
    refusals: Refusals,
    stats: Counters,
}

impl Transit {
    pub(crate) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(crate) fn own_version(&self) -> ProtocolVersion {
        self.wire.version
    }

    /// Whether a broadcast goes out once per protocol version.
    pub(crate) fn speaks_both(&self) -> bool {
        self.wire.both
    }

    /// The connection to the other nodes, and its state.
    pub(crate) fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// Sends messages to the control loop.
    pub(crate) fn control(&self) -> &Mailbox {
        &self.control
    }

    /// The version that a node used last.
    pub(crate) fn version_of(&self, node: &NodeId) -> ProtocolVersion {
        let broker = self.broker();
        let known = broker.as_ref().and_then(|broker| {
            let snapshot = broker.shared().registry.load();
            snapshot.node_by_id(node.as_str()).and_then(|node| node.version())
        });
        known.unwrap_or(self.wire.version)
    }

    /// Reads the services in an INFO.
    ///
    /// # Errors
    /// The first problem that is found in them.
    pub(crate) fn read_services(&self, raw: &Raw) -> Result<Services, Problem> {
        self.wire.serializer.services(raw, &self.wire.limits)
    }

    /// The current moment in the table of waiting calls.
    pub(crate) fn mark(&self) -> Mark {
        self.pending.mark()
    }

    /// Fails the calls that waited for a node at that moment, and returns how many there were.
    pub(crate) fn fail_node(&self, node: &NodeId, then: Mark) -> usize {
        self.pending.fail_node(node, then)
    }

    /// The broker, unless it is gone.
    pub(crate) fn broker(&self) -> Option<ServiceBroker> {
        self.broker.upgrade().map(ServiceBroker::from_shared)
    }

    /// Whether packets go out and come in.
    pub(crate) fn is_connected(&self) -> bool {
        self.uplink.is_connected()
    }

    /// The address on which this node accepts connections of other nodes, if it does.
    pub(crate) fn listens_on(&self) -> Option<SocketAddr> {
        self.uplink.any_connection()?.listens_on()
    }

    /// Where nodes can be reached.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Sends a message to the control loop.
    pub(crate) fn tell(&self, message: Message) {
        self.control.tell(message);
    }

    /// A handler had no room for an event.
    pub(crate) fn dropped_event(&self) {
        Counters::add(&self.stats.events_dropped);
    }

    /// How many messages were dropped because the control loop had no room.
    pub(crate) fn control_dropped(&self) -> u64 {
        self.control.dropped()
    }

    pub(crate) fn stats(&self) -> TransitStats {
        TransitStats { control_dropped: self.control.dropped(), ..self.stats.read(&self.pending) }
    }
}

impl Drop for Transit {
    fn drop(&mut self) {
        // For a broker that was stopped, there is nothing left to end here.
        self.uplink.link.abandon();
    }
}

impl fmt::Debug for Transit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transit")
            .field("node", &self.node)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
