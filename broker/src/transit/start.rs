//! Connecting: the transporter, the probe of our id, the subscriptions, DISCOVER, and being ready.
//!
//! On a bus, a start first subscribes only to what the probe of its id needs. Until it is known that no other
//! node has the id, everything sent to the id is meant for its owner.

use ligand_transporters::{
    Link, LinkOptions, Membership, Name, PacketKind, Subscription, TransportError, Transporter,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

use super::Transit;
use super::addresses::Addresses;
use super::balanced::Balanced;
use super::connection::is_over;
use super::heard::Coarse;
use super::load::Load;
use super::pending::Pending;
use super::ping::Pings;
use super::refusals::Refusals;
use super::sink::NodeSink;
use super::standing::{Standing, Stands};
use super::stats::Counters;
use super::uplink::Uplink;
use super::wire::Wire;
use crate::broker::{ServiceBroker, StartError};
use crate::membership::{self, Mailbox, Message};
use crate::protocol::Outgoing;

/// What every node listens to. First come the topics that tell whether another node has our id, then the rest
/// in Node's order (protocol chapter 3.1).
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

impl Transit {
    /// Connects, makes sure that the id is free, subscribes, and asks which nodes are there. The broker owns
    /// the transit from the beginning.
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
        let uplink = Uplink::new(link, &**transporter);
        let transit = Arc::new(Self {
            node: shared.node_id.clone(),
            broker: broker.weak(),
            wire: Wire::new(&config, Arc::clone(&shared.pipeline)),
            // Between peers, whatever arrives was sent to this very process.
            stands: Stands::at(match uplink.membership {
                Membership::Gossip => Standing::Claimed,
                _ => Standing::Asking,
            }),
            uplink,
            load: Load::new(&config.transit),
            pending: Pending::new(config.transit.max_queue_size),
            pings: Pings::default(),
            control: Mailbox::new(),
            addresses: Addresses::new(config.registry.max_nodes),
            coarse: Coarse::default(),
            // The builder switches this off if the transporter does not support it.
            balanced: Balanced::new(config.disable_balancer, transporter.capabilities().balanced_wildcards),
            refusals: Refusals::default(),
            stats: Counters::default(),
            config,
        });
        // This is set before anything can arrive.
        let _ = sink.0.set(Arc::downgrade(&transit));
        let _ = shared.transit.set(Arc::clone(&transit));
        let store = membership::open_store(&transit, broker).await?;
        let opened = transit.open_connection(transporter).await?;
        let port = transit.config.advertise.port.or(opened.advertised_port());
        let hostname = transit.uplink.peering.hostname.clone();
        shared.registry.update(|catalog| catalog.set_local_place(hostname, port));
        transit.uplink.open(opened);
        membership::start(&transit, broker, store).map_err(|error| {
            let source = TransportError::Config(format!("no thread for the control loop: {error}"));
            StartError::Transporter { attempts: 1, source }
        })?;
        transit.claim().await?;
        transit.subscribe_first(transit.first_topics().1, transit.connect_until()).await?;
        transit.discover_all();
        Ok(())
    }

    /// The topics that the probe of our id needs, and those that can wait until it ends. If two processes
    /// share an inbox, the owner would miss the copy of the PING that this node gets.
    fn first_topics(&self) -> (&'static [Subscription], &'static [Subscription]) {
        TOPICS.split_at(if self.uplink.shared_inboxes { 1 } else { 2 })
    }

    /// Makes the subscriptions again that this node has by now.
    pub(super) async fn subscribe_again(&self) -> Result<(), TransportError> {
        self.uplink.subscribe(if self.is_claimed() { &TOPICS } else { self.first_topics().0 }).await
    }

    /// Probes whether another node has our id. Between peers, nothing can be asked before a peer is known.
    /// There, evidence against the id is checked as it arrives.
    async fn claim(&self) -> Result<(), StartError> {
        let until = self.connect_until();
        while !self.is_claimed() {
            let generation = self.subscribe_first(self.first_topics().0, until).await?;
            self.verdict(Message::Claim).await?;
            // If the connection is gone since, the probe may never have arrived.
            if self.uplink.is_generation(generation) {
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

    /// Asks every node for its INFO. Each node that is ready answers.
    pub(crate) fn discover_all(&self) {
        if self.uplink.membership != Membership::Gossip
            && !self.has_discoverer()
            && self.is_claimed()
            && let Err(error) = self.broadcast(&Outgoing::Discover)
        {
            self.uplink.log_unsent("DISCOVER", &error);
        }
    }

    /// Announces this node with what has started so far, unless another node turns out to have its id. A
    /// later call announces what has been added since.
    pub(crate) async fn ready(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let refused = |source| StartError::Transporter { attempts: 1, source };
        let info = self.start_balancing(broker).await.map_err(refused)?;
        self.verdict(|done| Message::Ready(done, info)).await
    }

    /// What the control loop decides about our claim on the id.
    async fn verdict(
        &self,
        ask: impl FnOnce(oneshot::Sender<Option<Name>>) -> Message,
    ) -> Result<(), StartError> {
        let (done, verdict) = oneshot::channel();
        self.control.tell(ask(done));
        // If the loop is gone, nobody can object.
        match verdict.await.ok().flatten() {
            Some(owner) => {
                Err(StartError::DuplicateNode { node: self.node.to_string(), owner: owner.to_string() })
            }
            None => Ok(()),
        }
    }
}
