//! Brokers on an in-memory network, all in this process.

use ::ligand::ServiceBroker;
use ::ligand::transport::memory::{Network, Options};
use std::io;

use super::ligand::{Client, service};
use super::{MAX_FRAME, NODES};

pub(super) async fn start() -> io::Result<Client> {
    let mut options = Options::default();
    (options.max_frame, options.queue_bytes) = (MAX_FRAME, 64 << 20);
    let network = Network::with(options);
    let mut servers = Vec::new();
    for n in 1..=NODES {
        let broker = ServiceBroker::builder().node_id(format!("n{n}")).transporter(network.transporter());
        let broker = broker.service(service(n)).build().map_err(io::Error::other)?;
        broker.start().await.map_err(io::Error::other)?;
        servers.push(broker);
    }
    let client = ServiceBroker::builder().node_id("n0").transporter(network.transporter());
    let client = client.build().map_err(io::Error::other)?;
    client.start().await.map_err(io::Error::other)?;
    Client::of(client, false, servers).await
}
