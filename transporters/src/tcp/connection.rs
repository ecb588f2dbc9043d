//! The open transporter: a listener, the connections to peers, and discovery.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::entrance::Entrance;
use super::pool::Pool;
use super::stats::{Counters, TcpStats};
use super::udp::Discovery;
use super::{TcpOptions, listener, net, writer};
use crate::{
    Connection, Link, Name, PacketKind, Route, SendError, Subscription, TransportError, Up, WriteFrame,
};

/// An open TCP transporter.
pub struct TcpConnection {
    link: Link,
    options: Arc<TcpOptions>,
    stats: Arc<Counters>,
    local: SocketAddr,
    /// The address at which this node reaches itself.
    own: Name,
    pool: Arc<Pool>,
    entrance: Arc<Entrance>,
    /// Ends accepting connections, and discovery.
    stop: CancellationToken,
    /// The tasks that end with `stop`.
    outward: TaskTracker,
}

impl TcpConnection {
    pub(crate) async fn open(options: &TcpOptions, link: Link) -> Result<Arc<Self>, TransportError> {
        options.validate()?;
        let namespace = link.namespace();
        if options.udp_discovery && (namespace.contains('|') || link.node().as_str().contains('|')) {
            return Err(TransportError::Config(format!(
                "udp discovery cannot carry a `|` in the namespace `{namespace}` or the node id: choose another \
                 name, or set `udpDiscovery` of the TCP transporter to false"
            )));
        }
        let peers = options.urls.resolve(&link).await?;
        // From here on, nothing waits. So the future cannot be dropped in between.
        let (own, others): (Vec<_>, Vec<_>) = peers.into_iter().partition(|peer| peer.id == *link.node());
        let port = options.port.or_else(|| own.first().map(|peer| peer.port)).unwrap_or(0);
        let address = SocketAddr::new(options.bind, port);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => TransportError::AddressInUse { address: address.to_string() },
            _ => TransportError::connect(address.to_string(), error),
        };
        let listener = net::listen(address).map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;

        let options = Arc::new(options.clone());
        let stats = Arc::new(Counters::default());
        let connection = Arc::new(Self {
            pool: Pool::new(link.clone(), Arc::clone(&options)),
            entrance: Entrance::new(Arc::clone(&options), Arc::clone(&stats)),
            own: reachable(local).to_string().into(),
            local,
            options,
            stats,
            stop: CancellationToken::new(),
            outward: TaskTracker::new(),
            link,
        });
        connection.start(listener);
        connection.link.up(Up::First);
        // An entry with this node's id and another address may be another node with the same id. The broker
        // checks that.
        let elsewhere = own.iter().filter(|peer| !connection.is_here(&peer.addr));
        for peer in others.iter().chain(elsewhere) {
            connection.link.sighted(&peer.id, &peer.addr, None);
        }
        Ok(connection)
    }

    fn start(&self, listener: tokio::net::TcpListener) {
        let (entrance, link, stop) = (Arc::clone(&self.entrance), self.link.clone(), self.stop.clone());
        self.link.spawn(listener::accept(listener, entrance, link, stop, self.outward.token()));
        if self.options.udp_discovery {
            let (link, options) = (self.link.clone(), Arc::clone(&self.options));
            let discovery = Discovery::open(link, options, Arc::clone(&self.stats), self.announced_port());
            discovery.start(&self.stop, || self.outward.token());
        }
    }

    /// Whether an address is the port of this node on this host, as far as that is known without a lookup.
    fn is_here(&self, addr: &str) -> bool {
        let Some((host, port)) = net::host_and_port(addr) else { return true };
        if port != self.local.port() && port != self.announced_port() {
            return false;
        }
        let own_name = self.options.hostname.as_deref() == Some(host);
        own_name || host == "localhost" || host.parse().is_ok_and(net::is_own)
    }

    fn announced_port(&self) -> u16 {
        self.options.advertised_port.unwrap_or(self.local.port())
    }

    /// The address on which it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> TcpStats {
        self.stats.snapshot()
    }
}

/// An address at which this host reaches a listener on `local`.
fn reachable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

#[async_trait]
impl Connection for TcpConnection {
    fn listens_on(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    fn advertised_port(&self) -> Option<u16> {
        Some(self.announced_port())
    }

    /// Nothing to do: peers connect and send to this node.
    async fn subscribe(&self, _to: &[Subscription]) -> Result<(), TransportError> {
        Ok(())
    }

    async fn unsubscribe(&self, _from: &[Subscription]) -> Result<(), TransportError> {
        Ok(())
    }

    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        let Route::Node { id, addr } = to else { return Err(SendError::NoRoute) };
        let own = (id == self.link.node()).then_some(&self.own);
        writer::send(&self.pool, id, addr.as_ref().or(own), kind, token, write)
    }

    fn room<'a>(&'a self, to: &'a Route) -> BoxFuture<'a, ()> {
        match to {
            Route::Node { id, .. } => Box::pin(self.pool.room(id)),
            _ => Box::pin(std::future::ready(())),
        }
    }

    async fn close(&self) -> Result<(), TransportError> {
        let limit = self.options.close_timeout;
        let deadline = Instant::now() + limit;
        self.stop.cancel();
        self.outward.close();
        self.pool.close();
        // Peers that close at the same time send their last frames to this node. It continues to read until
        // it has sent its own.
        if timeout_at(deadline, self.pool.finished()).await.is_err() {
            self.pool.abort();
            self.pool.finished().await;
        }
        self.outward.wait().await;
        self.entrance.close();
        // A handler that blocks its reader may delay this, but only for the limit.
        let _ = timeout(limit, self.entrance.empty()).await;
        match self.pool.left() {
            0 => Ok(()),
            left => Err(TransportError::Lost(format!("{left} frames were not sent before closing"))),
        }
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection")
            .field("local", &self.local)
            .field("pool", &self.pool)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
