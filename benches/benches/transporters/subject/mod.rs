//! What is measured: ligand, the floor, rivals.

mod channel;
mod ligand;
mod memory;
mod raw;
mod tarpc;

use bytes::Bytes;
use std::io;
use std::time::Duration;

use crate::row::Load;
use crate::worker::Figures;

/// Nodes that can be sent events to.
pub(crate) const NODES: usize = 4;
/// Largest frame of any subject: the largest body, and room for what stands around it.
const MAX_FRAME: usize = 4 << 20;

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Bodies are passed through as bytes, as the floor and tarpc pass them.
    Ligand,
    /// Length-prefixed frames over TCP, written with the flush policy of the TCP transporter.
    Raw,
    /// Bodies are structs, encoded and decoded on both sides.
    Typed,
    /// tarpc with bincode.
    Tarpc,
    /// Moleculer on Node.
    Js,
    /// Two brokers on an in-memory network in one process.
    Memory,
    /// A bounded channel to a task.
    Channel,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Ligand, Self::Raw, Self::Typed, Self::Tarpc, Self::Js, Self::Memory, Self::Channel];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ligand => "ligand",
            Self::Raw => "floor",
            Self::Typed => "ligand-typed",
            Self::Tarpc => "tarpc",
            Self::Js => "moleculer-js",
            Self::Memory => "ligand-memory",
            Self::Channel => "floor-channel",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the server is a process of its own.
    pub(crate) const fn has_server(self) -> bool {
        !matches!(self, Self::Memory | Self::Channel)
    }
}

/// The serving side; serves until dropped.
pub(crate) enum Server {
    Ligand(#[allow(dead_code, reason = "kept alive")] Vec<::ligand::ServiceBroker>),
    Tasks,
}

impl Server {
    pub(crate) async fn start(kind: Kind, ports: &[u16]) -> io::Result<Self> {
        match kind {
            Kind::Ligand | Kind::Typed => Ok(Self::Ligand(ligand::serve(ports).await?)),
            Kind::Raw => raw::serve(ports).await.map(|()| Self::Tasks),
            Kind::Tarpc => tarpc::serve(ports).await.map(|()| Self::Tasks),
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
}

impl Client {
    pub(crate) async fn start(kind: Kind, ports: &[u16]) -> io::Result<Self> {
        match kind {
            Kind::Ligand => Ok(Self::Ligand(ligand::Client::start(ports, false).await?)),
            Kind::Typed => Ok(Self::Ligand(ligand::Client::start(ports, true).await?)),
            Kind::Memory => Ok(Self::Ligand(memory::start().await?)),
            Kind::Raw => Ok(Self::Raw(raw::Client::start(ports).await?)),
            Kind::Tarpc => Ok(Self::Tarpc(tarpc::start(ports).await?)),
            Kind::Channel => Ok(Self::Channel(channel::Client::start())),
            Kind::Js => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        match self {
            Self::Ligand(client) => client.run(load, time).await,
            Self::Raw(client) => client.run(load, time).await,
            Self::Tarpc(client) => tarpc::run(client, load, time).await,
            Self::Channel(client) => client.run(load, time).await,
        }
    }
}

/// A JSON object of this many bytes.
fn body(size: usize) -> Bytes {
    let around = r#"{"d":""}"#.len();
    format!(r#"{{"d":"{}"}}"#, "x".repeat(size.saturating_sub(around))).into()
}
