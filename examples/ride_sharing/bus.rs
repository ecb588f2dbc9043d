//! How the nodes reach each other: static addresses on the loopback interface, unless another bus is given.

use std::io;
use std::net::TcpListener;

use crate::role::{Role, SERVICES};

/// The transporter URL of each node.
#[derive(Debug, Clone)]
pub(crate) struct Bus(String);

impl Bus {
    /// A bus that the user has chosen.
    pub(crate) fn at(url: String) -> Self {
        Self(url)
    }

    /// TCP with ports that are free now, for nodes that this process starts.
    pub(crate) fn on_free_ports(replicas: u16) -> io::Result<Self> {
        let mut ports = candidates();
        let mut free = || {
            let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
            ports.find(is_free).ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
        };
        let nodes = nodes(replicas).map(|(_, _, id)| Ok((id, free()?)));
        Ok(Self::tcp(nodes.collect::<io::Result<Vec<_>>>()?))
    }

    /// TCP with ports that follow from the roles, so that all processes use the same ones.
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

/// Ports to try. They are below the range from which operating systems assign ports, because such a port
/// could be assigned to another program before its node listens. Each process begins at a different port.
fn candidates() -> impl Iterator<Item = u16> {
    const RANGE: std::ops::Range<u32> = 20_000..30_000;
    /// More ports than the largest cluster needs.
    const APART: u32 = 40;
    let start = std::process::id() % (RANGE.len() as u32 / APART) * APART;
    RANGE.map(move |port| (RANGE.start + (port - RANGE.start + start) % RANGE.len() as u32) as u16)
}

/// Every node of the cluster: its role, which replica it is, and its id.
fn nodes(replicas: u16) -> impl Iterator<Item = (Role, u16, String)> {
    let services = (1..=replicas).flat_map(|replica| SERVICES.map(|role| (role, replica)));
    services.chain([(Role::App, 1)]).map(|(role, replica)| (role, replica, role.node_id(replica)))
}
