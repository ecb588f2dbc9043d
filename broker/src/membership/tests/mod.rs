//! Membership as a whole: a driver between packets and the registry, with a clock of the test's own.

mod one_table;
mod own_name;

use ligand_transporters::memory::Network;
use ligand_transporters::tcp::Tcp;
use ligand_transporters::{Frame, IntoTransporter, Membership, NodeId, PacketKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::Message;
use super::driver::Driver;
use super::records::{Command, Commands, Store};
use crate::ServiceBroker;
use crate::codec::Codec;
use crate::serializer::serializer;
use crate::transit::Transit;

const MAX_NODES: usize = 3;

/// A running broker, and beside its own loop a driver that only the test gives something to do. Nothing else
/// happens as long as nobody awaits.
struct Stage {
    broker: ServiceBroker,
    transit: Arc<Transit>,
    driver: Driver,
    way: Way,
    commands: Option<Receiver<Command>>,
    now: Instant,
}

/// How nodes learn of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bus,
    Tcp,
    Records,
}

/// Nodes, and whether they are online.
type View = BTreeMap<NodeId, bool>;

impl Stage {
    async fn bus() -> Self {
        Self::set(Network::new().transporter(), false).await
    }

    /// With a discoverer whose store is the test.
    async fn records() -> Self {
        Self::set(Network::new().transporter(), true).await
    }

    async fn tcp() -> Self {
        Self::set(Tcp::new().bind(Ipv4Addr::LOCALHOST).port(0).udp_discovery(false), false).await
    }

    async fn set(transporter: impl IntoTransporter, has_store: bool) -> Self {
        let builder = ServiceBroker::builder().node_id("me").transporter(transporter).configure(|config| {
            config.control.thread = false;
            config.heartbeat_interval = Duration::from_secs(3);
            config.heartbeat_timeout = Duration::from_secs(10);
            config.registry.max_nodes = MAX_NODES;
            config.registry.clean_offline_nodes_timeout = Duration::from_secs(20);
        });
        let broker = builder.build().unwrap();
        broker.start().await.unwrap();
        let transit = Arc::clone(broker.shared().transit().unwrap());
        let now = Instant::now();
        let way = match transit.uplink().membership {
            _ if has_store => Way::Records,
            Membership::Gossip => Way::Tcp,
            _ => Way::Bus,
        };
        let (store, commands) = if has_store {
            let (commands, inbox) = Commands::new();
            let serializer = serializer(Codec::Json);
            (Some(Store { commands, full_check: 0, serializer }), Some(inbox))
        } else {
            (None, None)
        };
        let mut driver = Driver::new(&transit, &broker, store, now);
        driver.state.presence.announced = Some(broker.shared().registry.local_info());
        Self { broker, transit, driver, way, commands, now }
    }

    fn take(&mut self, message: Message) {
        self.driver.turn(&self.transit, &self.broker, self.now).take(message);
        self.turn();
    }

    fn turn(&mut self) {
        if self.now >= self.driver.next_tick() {
            self.driver.turn(&self.transit, &self.broker, self.now).tick();
        }
    }

    fn packet(&mut self, sender: &str, kind: PacketKind, mut packet: Value) {
        packet["ver"] = json!("5");
        packet["sender"] = json!(sender);
        let mut frame = Frame::new(kind, packet.to_string());
        frame.peer = Some((Ipv4Addr::LOCALHOST, 9).into());
        self.take(Message::Frame(frame));
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.now = self.driver.next_tick().clamp(self.now, until);
            if self.now >= until {
                break;
            }
            self.turn();
        }
        self.turn();
    }

    /// What was given to the store since the last time.
    fn ordered(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.commands.as_mut()?.try_recv().ok()).collect()
    }

    fn known_to_the_registry(&self) -> View {
        let snapshot = self.broker.shared().registry.snapshot();
        let remote = snapshot.nodes().filter(|node| !node.is_local());
        remote.map(|node| (node.id().clone(), node.is_available())).collect()
    }

    fn known_to_membership(&self) -> View {
        self.driver.discoverer.watched()
    }
}

/// What a node says of itself.
fn info(instance: &str, seq: u64, services: &Value) -> Value {
    json!({
        "services": services, "instanceID": instance, "seq": seq, "ipList": ["127.0.0.1"], "hostname": "localhost",
        "port": 9, "client": { "type": "nodejs" }, "config": {}, "metadata": {},
    })
}
