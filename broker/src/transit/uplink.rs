//! The connection to the other nodes, and where it stands.

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

/// See the module.
pub(crate) struct Uplink {
    /// Owns every task of the transporter, and those that see to the connection.
    pub(crate) link: Link,
    connection: ArcSwapOption<ConnectionCell>,
    connected: AtomicBool,
    ever_connected: AtomicBool,
    /// How often the connection came or went, so that what was begun on one is not ended on another.
    generation: Mutex<u64>,
    /// Which servers there are, without secrets.
    pub(super) url: String,
    pub(crate) membership: Membership,
    /// See [`Capabilities::shared_inboxes`].
    pub(super) shared_inboxes: bool,
    pub(crate) peering: Peering,
    /// What the log says of the connection.
    pub(super) outage: Mutex<Outage>,
    pub(super) errors: TransporterErrors,
}

/// The connection, behind one more box because it is a trait object.
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

    /// The connection as long as there is any: to answer what was asked before it was lost or deaf, and to
    /// take leave.
    pub(super) fn any_connection(&self) -> Option<Arc<dyn Connection>> {
        self.connection.load().as_ref().map(|cell| Arc::clone(&cell.0))
    }

    /// There is a connection. Between peers packets go out as soon as one is sighted; over a bus not before the
    /// subscriptions stand ([`Uplink::mark_connected`]).
    pub(super) fn open(&self, connection: Arc<dyn Connection>) {
        self.connection.store(Some(Arc::new(ConnectionCell(connection))));
        self.connected.store(self.membership == Membership::Gossip, Ordering::Relaxed);
    }

    /// Takes the connection away, to close it.
    pub(super) fn take(&self) -> Option<Arc<dyn Connection>> {
        self.connection.swap(None).map(|cell| Arc::clone(&cell.0))
    }

    pub(super) async fn subscribe(&self, topics: &[Subscription]) -> Result<(), TransportError> {
        match self.any_connection() {
            Some(connection) => connection.subscribe(topics).await,
            None => Ok(()),
        }
    }

    /// Whether it was connected before; from now on it was.
    pub(super) fn was_ever_connected(&self) -> bool {
        self.ever_connected.swap(true, Ordering::Relaxed)
    }

    /// No packets go out any more. Whether they did.
    pub(super) fn mark_disconnected(&self) -> bool {
        self.connected.swap(false, Ordering::Relaxed)
    }

    /// Opens the way for packets, unless the connection came or went since.
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

    /// The connection has come or gone.
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
