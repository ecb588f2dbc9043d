//! Moleculer's TCP transporter: nodes connect to each other directly, without a server.
//!
//! Each direction has its own connection (protocol chapter 4): a node sends on the connections that it has
//! opened, one for each peer, and receives on those that it has accepted. The reader of each inbound
//! connection (`listener`, `reader`) splits the stream into frames (`framing`). Outgoing frames are written
//! into the bounded buffer of their peer (`outbox`, `chunk`), and the peer's task (`writer`) sends them.
//! `pool` holds the peers. The addresses of peers come from the configuration ([`Urls`]) and from UDP
//! announcements (`udp`, `datagram`). The transporter only reports both. Gossip, in the broker, decides who
//! belongs to the cluster.
//!
//! ```
//! use ligand_transporters::tcp::Tcp;
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let by_discovery = Tcp::new();
//! let by_list = Tcp::new().port(4000).urls("10.0.0.1:4000/node-1,10.0.0.2:4000/node-2").udp_discovery(false);
//! let by_url = Tcp::from_url("tcp://10.0.0.1:4000/node-1,10.0.0.2:4000/node-2?udpDiscovery=false")?;
//! # Ok(()) }
//! ```

mod chunk;
mod connection;
mod datagram;
mod entrance;
mod framing;
mod listener;
mod net;
mod options;
mod outbox;
mod pace;
mod pool;
mod reader;
mod stats;
mod udp;
mod urls;
mod writer;

use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use connection::TcpConnection;
pub use options::{TcpOptions, UdpBroadcast};
pub use stats::TcpStats;
pub use urls::Urls;

use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, Name, Peering, TransportError, Transporter};

backend! {
    /// The configuration of the TCP transporter. By default it listens on a free port, and finds its peers by
    /// UDP.
    Tcp of TcpOptions
}

impl Tcp {
    /// Sets the port to listen on. 0 means a free port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.options.port = (port != 0).then_some(port);
        self
    }

    /// Sets the address to listen on.
    #[must_use]
    pub fn bind(mut self, address: impl Into<IpAddr>) -> Self {
        self.options.bind = address.into();
        self
    }

    /// Sets the host name that other nodes use for this one.
    #[must_use]
    pub fn hostname(mut self, hostname: impl Into<Name>) -> Self {
        self.options.hostname = Some(hostname.into());
        self
    }

    /// Sets peers that are known from the start.
    #[must_use]
    pub fn urls(mut self, urls: impl Into<Urls>) -> Self {
        self.options.urls = urls.into();
        self
    }

    /// Switches discovery by UDP on or off.
    #[must_use]
    pub fn udp_discovery(mut self, on: bool) -> Self {
        self.options.udp_discovery = on;
        self
    }

    /// Sets the time between two rounds of gossip, at least one second.
    #[must_use]
    pub fn gossip_period(mut self, period: Duration) -> Self {
        self.options.gossip_period = period;
        self
    }

    /// Changes any other option.
    ///
    /// ```
    /// # use ligand_transporters::tcp::Tcp;
    /// let tcp = Tcp::new().with(|options| options.max_connections = 100);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut TcpOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Opens the transporter like [`Transporter::connect`], but returns its own type.
    ///
    /// # Errors
    /// The same as for [`Transporter::connect`], and [`TransportError::AddressInUse`] if the port is in use.
    ///
    /// # Cancel safety
    /// Dropping the future releases everything that it has opened.
    pub async fn open(&self, link: Link) -> Result<Arc<TcpConnection>, TransportError> {
        TcpConnection::open(&self.options, link).await
    }
}

#[async_trait]
impl Transporter for Tcp {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::peer_to_peer().with_max_frame(self.options.largest_packet())
    }

    fn peering(&self) -> Peering {
        let mut peering = Peering::default();
        peering.hostname.clone_from(&self.options.hostname);
        peering.use_hostname = self.options.use_hostname;
        peering.gossip_period = self.options.gossip_period;
        peering.log_gossip = self.options.debug;
        peering
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        Ok(self.open(link).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_carry_peers_and_options() {
        for plain in ["TCP", "tcp", "tcp://", "TCP://"] {
            let tcp = Tcp::from_url(plain).unwrap();
            assert_eq!(format!("{tcp:?}"), format!("{:?}", Tcp::new()), "{plain}");
        }
        let url = "tcp://h1:4001/n1,h2:4002/n2?port=4000&udpDiscovery=false&bind=127.0.0.1&hostname=a%2Db";
        let tcp = Tcp::from_url(url).unwrap();
        let options = tcp.options();
        assert_eq!(options.urls, Urls::from("h1:4001/n1,h2:4002/n2"));
        assert_eq!(options.port, Some(4000));
        assert!(!options.udp_discovery);
        assert_eq!(options.bind, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(options.hostname.as_deref(), Some("a-b"));
    }

    #[test]
    fn a_url_with_an_unknown_option_or_scheme_is_refused() {
        for bad in ["tcp://?prot=4000", "nats://localhost", "tcpx", "tcp://?port=x"] {
            assert!(matches!(Tcp::from_url(bad), Err(TransportError::Config(_))), "{bad}");
        }
    }

    #[test]
    fn the_largest_packet_is_announced() {
        assert_eq!(Tcp::new().capabilities().max_frame, Some(983_040));
        let small = Tcp::new().with(|options| options.max_packet_size = 1006);
        assert_eq!(small.capabilities().max_frame, Some(1000));
    }

    #[test]
    fn what_concerns_gossip_is_passed_on() {
        let peering = Tcp::from_url("tcp://?gossipPeriod=3&useHostname=false&hostname=h").unwrap().peering();
        assert_eq!(peering.gossip_period, Duration::from_secs(3));
        assert_eq!(peering.hostname.as_deref(), Some("h"));
        assert!(!peering.use_hostname && !peering.log_gossip);
    }
}
