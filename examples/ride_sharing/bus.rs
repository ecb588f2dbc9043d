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
        // All are held until all are known, or the same port could be given twice.
        let nodes = nodes(replicas).map(|(_, _, id)| Ok((id, TcpListener::bind(("127.0.0.1", 0))?)));
        let nodes = nodes.collect::<io::Result<Vec<_>>>()?;
        let nodes = nodes.iter().map(|(id, listener)| Ok((id.clone(), listener.local_addr()?.port())));
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

/// Every node of the cluster: its role, which replica it is, and its id.
fn nodes(replicas: u16) -> impl Iterator<Item = (Role, u16, String)> {
    let services = (1..=replicas).flat_map(|replica| SERVICES.map(|role| (role, replica)));
    services.chain([(Role::App, 1)]).map(|(role, replica)| (role, replica, role.node_id(replica)))
}
