//! Everything between this node and the others: packets out, packets in, and who waits for what.
//!
//! Only this module builds and opens envelopes. Data is handled by the task that read it
//! ([`inbound`]); control packets go to a thread of their own ([`control`]), so that no handler, however
//! long it blocks, keeps this node from being seen as alive.

mod answers;
mod balanced;
mod budget;
mod call;
mod connection;
mod control;
mod discoverer;
mod events;
mod fits;
mod foreign;
mod heard;
mod inbound;
mod lines;
mod members;
mod outage;
mod outbound;
mod oversize;
mod own;
mod pending;
mod ping;
mod requests;
mod sink;
mod standing;
mod start;
mod stats;
mod stop;
mod strangers;
mod trouble;

use arc_swap::ArcSwapOption;
use ligand_transporters::locks::{Mutex, RwLock};
use ligand_transporters::{Connection, Link, Membership, Name, NodeId, Peering};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::broker::{ServiceBroker, Shared};
use crate::codec::Codec;
use crate::config::BrokerConfig;
use crate::discovery::{Bucket, LinePerSender};
use crate::layer::Pipeline;
use crate::protocol::ProtocolVersion;
use crate::serializer::{Limits, Serializer};

pub(crate) use budget::InHand;
use control::Control;
pub(crate) use control::Message;
pub(crate) use outage::{Lost, Outage, Said, shown};
pub(crate) use outbound::EventTarget;
pub(crate) use own::{composer, identity};
pub(crate) use pending::Mark;
use pending::Pending;
use ping::Pings;
pub(crate) use ping::{echo, wall_clock_ms};
pub use stats::TransitStats;

/// The live connection of a broker to its cluster.
pub(crate) struct Transit {
    node: NodeId,
    /// Stamped on what goes to everybody, and to nodes never heard of.
    version: ProtocolVersion,
    /// What goes to everybody goes out in the other version, too.
    both: bool,
    config: Arc<BrokerConfig>,
    broker: Weak<Shared>,
    link: Link,
    connection: ArcSwapOption<ConnectionCell>,
    connected: AtomicBool,
    ever_connected: AtomicBool,
    /// What the log says of the connection.
    outage: Mutex<Outage>,
    /// Which servers there are, without secrets.
    url: String,
    /// Counts how often the connection came or went; see [`connection`].
    turn: Mutex<u64>,
    membership: Membership,
    stands: standing::Stands,
    /// See [`Capabilities::shared_inboxes`](ligand_transporters::Capabilities).
    shared_inboxes: bool,
    serializer: Arc<dyn Serializer>,
    /// What bodies are written in.
    codec: Codec,
    limits: Limits,
    pipeline: Arc<Pipeline>,
    pending: Arc<Pending>,
    pings: Pings,
    control: Control,
    /// Where nodes can be reached, for transporters that connect to each (TCP).
    addresses: RwLock<HashMap<NodeId, Name>>,
    /// Requests of other nodes that are being handled.
    in_flight: AtomicUsize,
    /// Bytes of packets whose handlers wait.
    bytes_in_hand: AtomicUsize,
    /// Bytes of answers that wait for room in a send buffer.
    held_bytes: AtomicUsize,
    /// Counts requests as they come, so that stopping can see whether any still do.
    arrived: AtomicU64,
    /// Who writes in another serializer.
    foreign: foreign::Foreign,
    /// See [`heard`].
    coarse: heard::Coarse,
    peering: Peering,
    troubles: trouble::Troubles,
    balanced: balanced::Balanced,
    stats: stats::Counters,
    /// Who is told that his packet was refused, though he is not known.
    strangers: Mutex<strangers::Strangers>,
    /// How often a packet that a layer refused may be told of.
    layer_lines: Mutex<Bucket>,
    /// How often a packet that cannot be read may be told of.
    malformed_lines: Mutex<LinePerSender>,
    /// How often a node for which there is no room may be told of.
    no_room_lines: Mutex<Bucket>,
    /// INFOs that nodes with these limits refuse.
    oversize: oversize::Oversize,
}

/// The connection, behind one more box because it is a trait object.
struct ConnectionCell(Arc<dyn Connection>);

impl Transit {
    /// The broker, unless it has gone.
    fn broker(&self) -> Option<ServiceBroker> {
        self.broker.upgrade().map(ServiceBroker::from_shared)
    }

    /// Whether packets go out and come in.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The connection while it is up.
    fn connection(&self) -> Option<Arc<dyn Connection>> {
        if !self.is_connected() {
            return None;
        }
        self.connection.load().as_ref().map(|cell| Arc::clone(&cell.0))
    }

    /// The connection as long as there is any: to answer what was asked before it was lost or deaf, and to
    /// take leave.
    fn any_connection(&self) -> Option<Arc<dyn Connection>> {
        self.connection.load().as_ref().map(|cell| Arc::clone(&cell.0))
    }

    /// Where it accepts connections of other nodes, if it does.
    pub(crate) fn listens_on(&self) -> Option<std::net::SocketAddr> {
        self.connection.load().as_ref().and_then(|cell| cell.0.listens_on())
    }

    pub(crate) fn address_of(&self, node: &NodeId) -> Option<Name> {
        self.addresses.read().get(node).cloned()
    }

    /// See [`Link::log_line`].
    pub(crate) fn log_line(&self, cause: &'static str) -> Option<u64> {
        self.link.log_line(cause)
    }

    /// Tells the control loop something.
    pub(crate) fn tell(&self, message: Message) {
        self.control.tell(message);
    }

    /// A handler had no room for an event.
    pub(crate) fn dropped_event(&self) {
        stats::Counters::add(&self.stats.events_dropped);
    }

    /// Messages that the control loop had no room for.
    pub(crate) fn control_dropped(&self) -> u64 {
        self.control.dropped()
    }

    pub(crate) fn stats(&self) -> TransitStats {
        TransitStats { control_dropped: self.control.dropped(), ..self.stats.read(&self.pending) }
    }
}

impl Drop for Transit {
    fn drop(&mut self) {
        // A broker that was stopped has nothing left to end here.
        self.link.abandon();
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
