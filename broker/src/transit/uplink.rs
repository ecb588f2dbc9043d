//! The connection to the other nodes, and its state.

use arc_swap::ArcSwapOption;
use ligand_transporters::locks::Mutex;
use ligand_transporters::{
    Capabilities, Connection, Link, Membership, Peering, Subscription, TransportError, Transporter,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Outage;
use super::transporter_error::TransporterErrors;
use crate::config::redact;

/// The connection to the other nodes, and its state.
pub(crate) struct Uplink {
    /// Owns every task of the transporter, and the tasks that look after the connection.
    pub(crate) link: Link,
    connection: ArcSwapOption<ConnectionCell>,
    connected: AtomicBool,
    ever_connected: AtomicBool,
    /// Counts how often the connection came or went, so that what began on one connection does not end on
    /// another.
    generation: Mutex<u64>,
    /// The URLs of the servers, without secrets.
    pub(super) url: String,
    pub(crate) membership: Membership,
    /// See [`Capabilities::shared_inboxes`].
    pub(super) shared_inboxes: bool,
    pub(crate) peering: Peering,
    /// What the log says about the connection.
    pub(super) outage: Mutex<Outage>,
    pub(super) errors: TransporterErrors,
}

/// The connection in one more box, because it is a trait object.
struct ConnectionCell(Arc<dyn Connection>);

impl Uplink {
    pub(super) fn new(link: Link, transporter: &dyn Transporter) -> Self {
        let Capabilities { membership, shared_inboxes, .. } = transporter.capabilities();
        Self {
            link,
            connection: ArcSwapOption::empty(),
            connected: AtomicBool::new(false),
            ever_connected: AtomicBool::new(false),
            generation: Mutex::default(),
            url: redact(&transporter.url()),
            membership,
            shared_inboxes,
            peering: transporter.peering(),
            outage: Mutex::default(),
            errors: TransporterErrors::default(),
        }
    }

    /// Whether packets go out and come in.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// The connection while it is up.
    pub(super) fn connection(&self) -> Option<Arc<dyn Connection>> {
        if self.is_connected() { self.any_connection() } else { None }
    }

    /// The connection, if there is any, even while it is down. It is used to answer requests that arrived
    /// before it was lost or deaf, and to say farewell.
    pub(super) fn any_connection(&self) -> Option<Arc<dyn Connection>> {
        self.connection.load().as_ref().map(|cell| Arc::clone(&cell.0))
    }

    /// There is a connection. Between peers, packets can be sent as soon as a peer is sighted. Over a bus,
    /// they wait until the subscriptions are in place ([`Uplink::mark_connected`]).
    pub(super) fn open(&self, connection: Arc<dyn Connection>) {
        self.connection.store(Some(Arc::new(ConnectionCell(connection))));
        self.connected.store(self.membership == Membership::Gossip, Ordering::Relaxed);
    }

    /// Takes the connection out, to close it.
    pub(super) fn take(&self) -> Option<Arc<dyn Connection>> {
        self.connection.swap(None).map(|cell| Arc::clone(&cell.0))
    }

    pub(super) async fn subscribe(&self, topics: &[Subscription]) -> Result<(), TransportError> {
        match self.any_connection() {
            Some(connection) => connection.subscribe(topics).await,
            None => Ok(()),
        }
    }

    /// Returns whether it was connected before, and remembers that it is now.
    pub(super) fn was_ever_connected(&self) -> bool {
        self.ever_connected.swap(true, Ordering::Relaxed)
    }

    /// Stops sending packets. Returns whether they could be sent until now.
    pub(super) fn mark_disconnected(&self) -> bool {
        self.connected.swap(false, Ordering::Relaxed)
    }

    /// Allows packets to be sent, unless the connection came or went since.
    pub(super) fn mark_connected(&self, generation: u64) -> bool {
        let now = self.generation.lock();
        if *now == generation {
            self.connected.store(true, Ordering::Relaxed);
        }
        *now == generation
    }

    pub(super) fn generation(&self) -> u64 {
        *self.generation.lock()
    }

    /// The connection came or went.
    pub(super) fn next_generation(&self) -> u64 {
        let mut generation = self.generation.lock();
        *generation += 1;
        *generation
    }

    /// Whether the connection has neither come nor gone since.
    pub(super) fn is_generation(&self, generation: u64) -> bool {
        self.generation() == generation
    }
}
