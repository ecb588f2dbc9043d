//! The subjects of the measurements: ligand, the floor, and other frameworks.

pub(crate) mod bus;
mod by_hand;
mod channel;
mod ligand;
mod memory;
#[cfg(feature = "nats")]
mod nats_micro;
mod raw;
mod tarpc;

use bus::{Bus, Part};
use bytes::Bytes;
use std::io;
use std::time::Duration;

use crate::figures::Figures;
use crate::load::Load;

/// The number of nodes that receive events.
pub(crate) const NODES: usize = 4;
/// The largest frame of any subject: the largest body, and its envelope.
const MAX_FRAME: usize = 4 << 20;

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Ligand. Bodies are passed as bytes, like the floor and tarpc do.
    Ligand,
    /// Length-prefixed frames over TCP, flushed in the same way as in the TCP transporter.
    Raw,
    /// Ligand. Bodies are structs, which are encoded and decoded on both sides.
    Typed,
    /// tarpc with bincode.
    Tarpc,
    /// Moleculer on Node.
    Js,
    /// Two brokers on an in-memory network in one process.
    Memory,
    /// A bounded channel to a task.
    Channel,
    /// A subject on a message server.
    On(Bus, Part),
}

/// How the nodes of a subject reach each other.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// By these ports of the loopback interface. The first one is that of the client.
    Ports(Vec<u16>),
    /// Through a message server, in a namespace that nobody else uses.
    Server { url: String, namespace: String },
}

impl Place {
    /// Reads the argument of a worker.
    pub(crate) fn of(kind: Kind, word: &str) -> io::Result<Self> {
        Ok(match kind {
            Kind::On(bus, _) => Self::Server { url: bus.url()?, namespace: word.to_owned() },
            _ => Self::Ports(word.split(',').filter_map(|port| port.parse().ok()).collect()),
        })
    }
}

impl Kind {
    fn all() -> impl Iterator<Item = Self> {
        let own = [Self::Ligand, Self::Raw, Self::Typed, Self::Tarpc, Self::Js, Self::Memory, Self::Channel];
        let on = |bus| Part::ALL.map(|part| Self::On(bus, part));
        own.into_iter().chain(Bus::ALL.into_iter().flat_map(on))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ligand => "ligand",
            Self::Raw => "floor",
            Self::Typed => "ligand-typed",
            Self::Tarpc => "tarpc",
            Self::Js => "moleculer-js",
            Self::Memory => "ligand-memory",
            Self::Channel => "floor-channel",
            Self::On(_, Part::Ligand) => "ligand",
            Self::On(bus, Part::ByHand) => bus.library(),
            Self::On(_, Part::Js) => "moleculer-js",
            Self::On(_, Part::JsDefault) => "js-as-default",
            Self::On(_, Part::Micro) => "nats-micro",
        }
    }

    /// A name that no other subject has.
    pub(crate) fn id(self) -> String {
        match self {
            Self::On(bus, _) => format!("{}-{}", bus.name(), self.name()),
            _ => self.name().to_owned(),
        }
    }

    pub(crate) fn from_id(id: &str) -> Option<Self> {
        Self::all().find(|kind| kind.id() == id)
    }

    pub(crate) const fn is_js(self) -> bool {
        matches!(self, Self::Js | Self::On(_, Part::Js | Part::JsDefault))
    }

    /// Whether the server is a process of its own.
    pub(crate) const fn has_server(self) -> bool {
        !matches!(self, Self::Memory | Self::Channel)
    }
}

/// The serving side. It serves until it is dropped.
pub(crate) enum Server {
    Ligand(#[allow(dead_code, reason = "kept alive")] Vec<::ligand::ServiceBroker>),
    Tasks,
}

impl Server {
    pub(crate) async fn start(kind: Kind, place: &Place) -> io::Result<Self> {
        match (kind, place) {
            (Kind::Ligand | Kind::Typed | Kind::On(_, Part::Ligand), _) => {
                Ok(Self::Ligand(ligand::serve(place).await?))
            }
            (Kind::Raw, Place::Ports(ports)) => raw::serve(ports).await.map(|()| Self::Tasks),
            (Kind::Tarpc, Place::Ports(ports)) => tarpc::serve(ports).await.map(|()| Self::Tasks),
            #[cfg(feature = "nats")]
            (Kind::On(_, Part::Micro), Place::Server { namespace, .. }) => {
                nats_micro::serve(namespace).await.map(|()| Self::Tasks)
            }
            (Kind::On(bus, Part::ByHand), Place::Server { namespace, .. }) => {
                by_hand::serve(bus, namespace).await.map(|()| Self::Tasks)
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// The side that makes the load.
pub(crate) enum Client {
    Ligand(ligand::Client),
    Raw(raw::Client),
    Tarpc(tarpc::EchoClient),
    Channel(channel::Client),
    ByHand(Box<dyn by_hand::Drive>),
    #[cfg(feature = "nats")]
    Micro(nats_micro::Micro),
}

impl Client {
    pub(crate) async fn start(kind: Kind, place: &Place) -> io::Result<Self> {
        match (kind, place) {
            (Kind::Ligand | Kind::On(_, Part::Ligand), _) => {
                Ok(Self::Ligand(ligand::Client::start(place, false).await?))
            }
            (Kind::Typed, _) => Ok(Self::Ligand(ligand::Client::start(place, true).await?)),
            (Kind::Memory, _) => Ok(Self::Ligand(memory::start().await?)),
            (Kind::Raw, Place::Ports(ports)) => Ok(Self::Raw(raw::Client::start(ports).await?)),
            (Kind::Tarpc, Place::Ports(ports)) => Ok(Self::Tarpc(tarpc::start(ports).await?)),
            (Kind::Channel, _) => Ok(Self::Channel(channel::Client::start())),
            #[cfg(feature = "nats")]
            (Kind::On(_, Part::Micro), Place::Server { namespace, .. }) => {
                Ok(Self::Micro(nats_micro::Micro::start(namespace).await?))
            }
            (Kind::On(bus, Part::ByHand), Place::Server { namespace, .. }) => {
                Ok(Self::ByHand(by_hand::client(bus, namespace).await?))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        match self {
            Self::Ligand(client) => client.run(load, time).await,
            Self::Raw(client) => client.run(load, time).await,
            Self::Tarpc(client) => tarpc::run(client, load, time).await,
            Self::Channel(client) => client.run(load, time).await,
            Self::ByHand(client) => client.run(load, time).await,
            #[cfg(feature = "nats")]
            Self::Micro(client) => client.run(load, time).await,
        }
    }
}

/// A JSON object with this number of bytes.
fn body(size: usize) -> Bytes {
    let around = r#"{"d":""}"#.len();
    format!(r#"{{"d":"{}"}}"#, "x".repeat(size.saturating_sub(around))).into()
}
