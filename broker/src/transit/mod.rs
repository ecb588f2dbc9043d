//! Everything between this node and the others: packets out, packets in, and who waits for what.
//!
//! Only this module builds and opens envelopes. Data is handled by the task that read it
//! ([`inbound`]); control packets go to a thread of their own ([`membership`](crate::membership)), so that no
//! handler, however long it blocks, keeps this node from being seen as alive.

mod addresses;
mod answers;
mod balanced;
mod budget;
mod call;
mod connection;
mod doubles;
mod events;
mod fits;
mod foreign;
mod heard;
mod inbound;
mod lines;
mod outage;
mod outbound;
mod oversize;
mod own;
mod pending;
mod ping;
mod records;
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
use crate::membership::{Mailbox, Message};
use crate::middleware::Pipeline;
use crate::protocol::{ProtocolVersion, Raw, Services};
use crate::serializer::{Limits, Problem, Serializer};

pub(crate) use budget::InHand;
pub(crate) use connection::is_over;
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
    control: Mailbox,
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
    /// INFOs that nodes with these limits refuse.
    oversize: oversize::Oversize,
}

/// The connection, behind one more box because it is a trait object.
struct ConnectionCell(Arc<dyn Connection>);

impl Transit {
    pub(crate) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(crate) fn membership(&self) -> Membership {
        self.membership
    }

    pub(crate) fn own_version(&self) -> ProtocolVersion {
        self.version
    }

    /// Whether what goes to everybody goes out once per version.
    pub(crate) fn speaks_both(&self) -> bool {
        self.both
    }

    /// How a transporter that gossips is configured.
    pub(crate) fn peering(&self) -> &Peering {
        &self.peering
    }

    /// The link to the transporter, which owns every task of this node's connection.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// The way to the control loop.
    pub(crate) fn control(&self) -> &Mailbox {
        &self.control
    }

    /// The version last seen from a node.
    pub(crate) fn version_of(&self, node: &NodeId) -> ProtocolVersion {
        let broker = self.broker();
        let known = broker.as_ref().and_then(|broker| {
            let snapshot = broker.shared().registry.load();
            snapshot.node_by_id(node.as_str()).and_then(|node| node.version())
        });
        known.unwrap_or(self.version)
    }

    /// Reads the services of an INFO.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read_services(&self, raw: &Raw) -> Result<Services, Problem> {
        self.serializer.services(raw, &self.limits)
    }

    /// This moment in the table of waiting calls.
    pub(crate) fn mark(&self) -> Mark {
        self.pending.mark()
    }

    /// Fails the calls that waited for a node at that moment.
    pub(crate) fn fail_node(&self, node: &NodeId, then: Mark) -> usize {
        self.pending.fail_node(node, then)
    }

    /// The broker, unless it has gone.
    pub(crate) fn broker(&self) -> Option<ServiceBroker> {
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
