//! How the nodes reach each other: static addresses on the loopback interface, unless another bus is named.

use std::io;
use std::net::TcpListener;

use crate::role::{Role, SERVICES};

/// Gives each node its transporter's URL.
#[derive(Debug, Clone)]
pub(crate) struct Bus(String);

impl Bus {
    /// A bus that the user chose.
    pub(crate) fn at(url: String) -> Self {
        Self(url)
    }

    /// TCP with ports that are free now, for nodes that are all started by this process.
    pub(crate) fn on_free_ports(replicas: u16) -> io::Result<Self> {
        let mut ports = candidates();
        let mut free = || {
            let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
            ports.find(is_free).ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
        };
        let nodes = nodes(replicas).map(|(_, _, id)| Ok((id, free()?)));
        Ok(Self::tcp(nodes.collect::<io::Result<Vec<_>>>()?))
    }

    /// TCP with ports that follow from the roles, so that processes agree on them.
    pub(crate) fn from_port(first: u16, replicas: u16) -> Self {
        let roles = SERVICES.len() as u16 + 1;
        Self::tcp(
            nodes(replicas).map(|(role, replica, id)| (id, first + (replica - 1) * roles + role as u16)),
        )
    }

    fn tcp(nodes: impl IntoIterator<Item = (String, u16)>) -> Self {
        let urls = nodes.into_iter().map(|(id, port)| format!("127.0.0.1:{port}/{id}"));
        let urls = urls.collect::<Vec<_>>().join(",");
        Self(format!("tcp://{urls}?bind=127.0.0.1&useHostname=false&udpDiscovery=false"))
    }

    /// The URL.
    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

/// Ports to try. They lie below those that operating systems hand out, since one of those could be given to
/// somebody else before its node listens. Each process begins elsewhere.
fn candidates() -> impl Iterator<Item = u16> {
    const RANGE: std::ops::Range<u32> = 20_000..30_000;
    /// More than the largest cluster takes.
    const APART: u32 = 40;
    let start = std::process::id() % (RANGE.len() as u32 / APART) * APART;
    RANGE.map(move |port| (RANGE.start + (port - RANGE.start + start) % RANGE.len() as u32) as u16)
}

/// Every node of the cluster: its role, which replica it is, and its id.
fn nodes(replicas: u16) -> impl Iterator<Item = (Role, u16, String)> {
    let services = (1..=replicas).flat_map(|replica| SERVICES.map(|role| (role, replica)));
    services.chain([(Role::App, 1)]).map(|(role, replica)| (role, replica, role.node_id(replica)))
}
