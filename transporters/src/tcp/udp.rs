//! UDP discovery: announces this node and listens for others (protocol chapter 4.7).
//!
//! One socket per IPv4 interface takes part in multicast, one more sends broadcasts if they are wanted.
//! Each hears what others announce, so an announcement arrives several times; nothing is answered, and
//! an announcement is only ever a hint where a peer may be.

use rand::RngExt as _;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::datagram::{self, Ignored, Sightings};
use super::stats::Counters;
use super::{TcpOptions, UdpBroadcast, net};
use crate::{Link, Name};

/// Wait after a socket reported an error of an earlier datagram.
const BREATHER: Duration = Duration::from_millis(100);

/// A longer datagram is cut off here, and ignored for its length.
const BUFFER: usize = 2048;

/// A socket and where it announces to.
#[derive(Debug)]
struct Channel {
    socket: UdpSocket,
    to: Vec<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Discovery {
    link: Link,
    options: Arc<TcpOptions>,
    stats: Arc<Counters>,
    /// The port that this node announces.
    port: u16,
    channels: Vec<Channel>,
    sightings: Mutex<Sightings>,
}

impl Discovery {
    /// Opens the sockets. Interfaces that cannot take part are left out with a warning.
    pub(crate) fn open(link: Link, options: Arc<TcpOptions>, stats: Arc<Counters>, port: u16) -> Arc<Self> {
        let channels = channels(&options);
        if channels.is_empty() {
            tracing::warn!(
                "udp discovery has no interface to work on, peers are known by urls and gossip only"
            );
        }
        let sightings = Mutex::new(Sightings::new(Instant::now()));
        Arc::new(Self { link, options, stats, port, channels, sightings })
    }

    /// Starts announcing and listening, until `stop`.
    pub(crate) fn start(self: &Arc<Self>, stop: &CancellationToken, alive: impl Fn() -> TaskTrackerToken) {
        if self.channels.is_empty() {
            return;
        }
        let until = |task: futures_util::future::BoxFuture<'static, ()>| {
            let (stop, alive) = (stop.clone(), alive());
            self.link.spawn(async move {
                let _alive = alive;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = task => {}
                }
            });
        };
        for index in 0..self.channels.len() {
            let discovery = Arc::clone(self);
            until(Box::pin(async move { discovery.listen(index).await }));
        }
        let discovery = Arc::clone(self);
        until(Box::pin(async move { discovery.announce().await }));
    }

    async fn announce(&self) {
        let (from, to) = self.options.udp_first;
        let first = if from < to { rand::rng().random_range(from..to) } else { from };
        tokio::time::sleep(first).await;
        let text = datagram::announcement(self.link.namespace(), self.link.node(), self.port);
        let mut count = 0u32;
        loop {
            for Channel { socket, to } in &self.channels {
                for to in to {
                    if let Err(error) = socket.send_to(text.as_bytes(), to).await {
                        tracing::debug!(%to, %error, "announcement not sent");
                    }
                }
            }
            count = count.saturating_add(1);
            if self.options.udp_max_discovery != 0 && count >= self.options.udp_max_discovery {
                return;
            }
            tokio::time::sleep(self.options.udp_period).await;
        }
    }

    async fn listen(&self, index: usize) {
        let Some(Channel { socket, .. }) = self.channels.get(index) else { return };
        let mut buffer = vec![0; BUFFER];
        let mut addr = String::new();
        loop {
            match socket.recv_from(&mut buffer).await {
                Ok((bytes, source)) => self.heard(buffer.get(..bytes).unwrap_or_default(), source, &mut addr),
                Err(error) => {
                    tracing::debug!(%error, "udp socket reports an error");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    fn heard(&self, datagram: &[u8], source: SocketAddr, addr: &mut String) {
        let announced = match datagram::parse(datagram, self.link.namespace()) {
            Ok(announced) => announced,
            Err(Ignored::Malformed) => return self.stats.udp_malformed.add(),
            Err(Ignored::Foreign) => return self.stats.udp_foreign.add(),
        };
        // Our own voice. The same id with another port is another node with our id, which the node above
        // has to know about.
        if announced.id == *self.link.node() && announced.port == self.port {
            return;
        }
        let place = SocketAddr::new(source.ip(), announced.port);
        let believed = {
            let mut sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
            sightings.believe(&announced.id, place, Instant::now())
        };
        if !believed {
            return self.stats.udp_limited.add();
        }
        self.stats.udp_sighted.add();
        addr.clear();
        // Writing to a string cannot fail.
        let _ = write!(addr, "{place}");
        self.link.sighted(&announced.id, &Name::from(addr.as_str()), Some(source));
    }
}

fn channels(options: &TcpOptions) -> Vec<Channel> {
    let interfaces = interfaces(options.udp_bind_address);
    let mut channels = Vec::new();
    if let Some(group) = options.udp_multicast {
        for interface in &interfaces {
            let (port, share, ttl) = (options.udp_port, options.udp_reuse_addr, options.udp_multicast_ttl);
            match net::udp_multicast(port, share, group, interface.address, ttl) {
                Ok(socket) => channels.push(Channel { socket, to: vec![SocketAddr::from((group, port))] }),
                Err(error) => {
                    let address = interface.address;
                    tracing::warn!(%address, port, %error, "no udp discovery by multicast on this interface");
                }
            }
        }
    }
    let targets: Vec<Ipv4Addr> = match &options.udp_broadcast {
        UdpBroadcast::Off => return channels,
        UdpBroadcast::Interfaces => interfaces.iter().filter_map(|interface| interface.broadcast).collect(),
        UdpBroadcast::To(addresses) => addresses.clone(),
    };
    match net::udp_broadcast(options.udp_port, options.udp_reuse_addr) {
        Ok(socket) => {
            let to = targets.into_iter().map(|to| SocketAddr::from((to, options.udp_port))).collect();
            channels.push(Channel { socket, to });
        }
        Err(error) => {
            tracing::warn!(port = options.udp_port, %error, "no udp discovery by broadcast");
        }
    }
    channels
}

struct Interface {
    address: Ipv4Addr,
    broadcast: Option<Ipv4Addr>,
}

/// IPv4 interfaces of this host, loopback included, or only the one with the address asked for.
fn interfaces(only: Option<Ipv4Addr>) -> Vec<Interface> {
    let all = if_addrs::get_if_addrs().unwrap_or_else(|error: io::Error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    let ipv4 = all.into_iter().filter_map(|interface| match (interface.ip(), interface.addr) {
        (IpAddr::V4(address), if_addrs::IfAddr::V4(v4)) => {
            Some(Interface { address, broadcast: v4.broadcast })
        }
        _ => None,
    });
    let mut found: Vec<_> = match only {
        None => ipv4.collect(),
        Some(only) => ipv4.filter(|interface| interface.address == only).collect(),
    };
    if let (Some(address), true) = (only, found.is_empty()) {
        found.push(Interface { address, broadcast: None });
    }
    found
}
