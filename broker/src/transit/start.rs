//! Connecting: the transporter, the probe of our id, the subscriptions, "who is there?", and being ready.
//!
//! On a bus nothing is subscribed to under an id but what the probe of it needs, until it is known that nobody
//! else has it: what comes for it until then is for its owner.

use ligand_transporters::locks::{Mutex, RwLock};
use ligand_transporters::{
    Capabilities, Link, LinkOptions, Membership, Name, PacketKind, Subscription, TransportError, Transporter,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

use super::connection::is_over;
use super::pending::Pending;
use super::ping::Pings;
use super::sink::NodeSink;
use super::standing::{Standing, Stands};
use super::{ConnectionCell, Transit, stats};
use crate::broker::{ServiceBroker, StartError};
use crate::config::{Protocol, redact};
use crate::discovery::Bucket;
use crate::membership::{self, Mailbox, Message};
use crate::protocol::{Outgoing, ProtocolVersion};
use crate::serializer::{Limits, serializer};

/// What every node listens to: first what tells whether another node has our id, then in Node's order (protocol
/// chapter 3.1).
const TOPICS: [Subscription; 12] = [
    Subscription::Own(PacketKind::Pong),
    Subscription::Own(PacketKind::Ping),
    Subscription::Own(PacketKind::Event),
    Subscription::Own(PacketKind::Request),
    Subscription::Own(PacketKind::Response),
    Subscription::Broadcast(PacketKind::Discover),
    Subscription::Own(PacketKind::Discover),
    Subscription::Broadcast(PacketKind::Info),
    Subscription::Own(PacketKind::Info),
    Subscription::Broadcast(PacketKind::Disconnect),
    Subscription::Broadcast(PacketKind::Heartbeat),
    Subscription::Broadcast(PacketKind::Ping),
];

/// Between two lines about packets that a layer refused.
const LAYER_LINES: std::time::Duration = std::time::Duration::from_secs(30);

impl Transit {
    /// Connects, makes sure that the id is free, subscribes, and asks who is there. The broker owns the
    /// transit from the beginning.
    pub(crate) async fn start(
        broker: &ServiceBroker,
        transporter: &Arc<dyn Transporter>,
    ) -> Result<(), StartError> {
        let shared = broker.shared();
        let config = Arc::clone(&shared.config);
        let sink = Arc::new(NodeSink::default());
        let mut options = LinkOptions::new(shared.node_id.clone(), config.namespace.clone());
        options.patience = config.watchdog.patience;
        let link = Link::new(options, Arc::clone(&sink) as _);
        let Capabilities { membership, balanced_wildcards, shared_inboxes, .. } = transporter.capabilities();
        let transit = Arc::new(Self {
            node: shared.node_id.clone(),
            version: match config.protocol {
                Protocol::V4 => ProtocolVersion::V4,
                _ => ProtocolVersion::V5,
            },
            both: config.protocol == Protocol::Both,
            broker: broker.weak(),
            link: link.clone(),
            connection: arc_swap::ArcSwapOption::empty(),
            connected: AtomicBool::new(false),
            ever_connected: AtomicBool::new(false),
            outage: Mutex::default(),
            url: redact(&transporter.url()),
            turn: Mutex::default(),
            membership,
            // Between peers whatever comes was sent to this very process.
            stands: Stands::at(match membership {
                Membership::Gossip => Standing::Claimed,
                _ => Standing::Asking,
            }),
            shared_inboxes,
            serializer: serializer(config.serializer.codec()),
            codec: config.serializer.codec(),
            limits: limits(&config.transit.limits),
            pipeline: Arc::clone(&shared.pipeline),
            pending: Pending::new(config.transit.max_queue_size),
            pings: Pings::default(),
            control: Mailbox::new(),
            addresses: RwLock::default(),
            in_flight: AtomicUsize::new(0),
            bytes_in_hand: AtomicUsize::new(0),
            held_bytes: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            foreign: super::foreign::Foreign::default(),
            coarse: super::heard::Coarse::default(),
            peering: transporter.peering(),
            troubles: super::trouble::Troubles::default(),
            // Switched back by the builder where the transporter cannot.
            balanced: super::balanced::Balanced::new(config.disable_balancer, balanced_wildcards),
            stats: stats::Counters::default(),
            strangers: Mutex::default(),
            layer_lines: Mutex::new(Bucket::new(1, LAYER_LINES)),
            malformed_lines: Mutex::default(),
            oversize: super::oversize::Oversize::default(),
            config,
        });
        // Set before anything can arrive.
        let _ = sink.0.set(Arc::downgrade(&transit));
        let _ = shared.transit.set(Arc::clone(&transit));
        let store = membership::open_store(&transit, broker).await?;
        let opened = transit.open_connection(transporter).await?;
        let port = transit.config.advertise.port.or(opened.advertised_port());
        shared.registry.update(|catalog| catalog.set_local_place(transit.peering.hostname.clone(), port));
        transit.connection.store(Some(Arc::new(ConnectionCell(opened))));
        // On a bus nothing is sent before the subscriptions stand. Between peers there are none, and the
        // first packets go out as soon as a peer is sighted.
        transit.connected.store(membership == Membership::Gossip, Ordering::Relaxed);
        membership::start(&transit, broker, store).map_err(|error| {
            let source = TransportError::Config(format!("no thread for the control loop: {error}"));
            StartError::Transporter { attempts: 1, source }
        })?;
        transit.claim().await?;
        transit.subscribe_first(transit.first_topics().1, transit.connect_until()).await?;
        transit.discover_all();
        Ok(())
    }

    /// What the probe of our id needs, and what can wait for its end. Where two processes share an inbox, our
    /// own copy of the PING would be one that the owner misses.
    fn first_topics(&self) -> (&'static [Subscription], &'static [Subscription]) {
        TOPICS.split_at(if self.shared_inboxes { 1 } else { 2 })
    }

    /// Subscribes once more to what this node hears by now.
    pub(super) async fn subscribe_again(&self) -> Result<(), TransportError> {
        self.subscribe(if self.is_claimed() { &TOPICS } else { self.first_topics().0 }).await
    }

    pub(super) async fn subscribe(&self, topics: &[Subscription]) -> Result<(), TransportError> {
        match self.connection.load_full() {
            Some(cell) => cell.0.subscribe(topics).await,
            None => Ok(()),
        }
    }

    /// Asks whether another node has our id. Between peers nothing can be asked before somebody is known;
    /// what speaks against the id is looked into there as it comes.
    async fn claim(&self) -> Result<(), StartError> {
        let until = self.connect_until();
        while !self.is_claimed() {
            let turn = self.subscribe_first(self.first_topics().0, until).await?;
            self.verdict(Message::Claim).await?;
            // What was asked on a connection that is gone since may never have arrived.
            if self.is_turn(turn) {
                self.claimed();
            } else if is_over(until, Duration::ZERO) {
                let why = "the connection breaks again and again while it is asked who has this node's id";
                return Err(StartError::Transporter {
                    attempts: 1,
                    source: TransportError::Lost(why.into()),
                });
            }
        }
        Ok(())
    }

    /// Whether nodes learn of each other through a store.
    pub(super) fn has_discoverer(&self) -> bool {
        self.config.registry.discoverer.as_ref().is_some_and(|chosen| matches!(chosen.redis(), Ok(Some(_))))
    }

    /// Everybody who is ready answers with an INFO.
    pub(crate) fn discover_all(&self) {
        if self.membership != Membership::Gossip
            && !self.has_discoverer()
            && self.is_claimed()
            && let Err(error) = self.broadcast(&Outgoing::Discover)
        {
            self.log_unsent("DISCOVER", &error);
        }
    }

    /// Announces this node with what has started so far, unless another one turns out to have its id. Done
    /// again, it announces what has been added since.
    pub(crate) async fn ready(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let refused = |source| StartError::Transporter { attempts: 1, source };
        let info = self.start_balancing(broker).await.map_err(refused)?;
        self.verdict(|done| Message::Ready(done, info)).await
    }

    /// What the control loop says to our claim on the id.
    async fn verdict(
        &self,
        ask: impl FnOnce(oneshot::Sender<Option<Name>>) -> Message,
    ) -> Result<(), StartError> {
        let (done, verdict) = oneshot::channel();
        self.control.tell(ask(done));
        // Where the loop has gone there is nobody to object either.
        match verdict.await.ok().flatten() {
            Some(owner) => {
                Err(StartError::DuplicateNode { node: self.node.to_string(), owner: owner.to_string() })
            }
            None => Ok(()),
        }
    }
}

fn limits(config: &crate::config::Limits) -> Limits {
    Limits {
        depth: config.depth,
        string: config.string,
        entries: config.entries,
        name: config.name,
        id: config.id,
        meta: config.meta,
        groups: config.groups,
        services: config.services,
        actions: config.actions,
        ..Limits::default()
    }
}
