//! UDP discovery: announces this node and listens for others (protocol chapter 4.7).
//!
//! Each IPv4 interface has a socket for multicast. If broadcasts are enabled, one more socket sends them.
//! Each socket receives what others announce, so an announcement arrives several times. It is not answered,
//! and it is only a hint where a peer may be.

use rand::RngExt as _;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::datagram::{self, Ignored, Sightings};
use super::stats::Counters;
use super::{TcpOptions, UdpBroadcast, net};
use crate::locks::Mutex;
use crate::{Link, Name};

/// The pause after a socket has reported an error of an earlier datagram.
const BREATHER: Duration = Duration::from_millis(100);

/// A longer datagram is cut off, and then ignored because of its length.
const BUFFER: usize = 2048;

/// A socket, and where it sends announcements.
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
    /// Opens the sockets. Interfaces that cannot take part are skipped with a warning.
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

    /// Starts to announce and to listen, until `stop`.
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
        // This is our own announcement. The same id with another port is another node with our id, and the
        // broker has to know about it.
        if announced.id == *self.link.node() && announced.port == self.port {
            return;
        }
        let place = SocketAddr::new(source.ip(), announced.port);
        let believed = {
            let mut sightings = self.sightings.lock();
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
    let (port, ttl) = (options.udp_port, options.udp_multicast_ttl);
    let mut channels = Vec::new();
    if let Some(group) = options.udp_multicast {
        for Interface { address, .. } in &interfaces {
            let share = joins(&channels, options);
            match net::udp_multicast(port, share, group, *address, ttl) {
                Ok(socket) => channels.push(Channel { socket, to: vec![SocketAddr::from((group, port))] }),
                Err(error) => {
                    let todo = advice(&error);
                    tracing::warn!(%address, port, %error, todo, "no udp discovery by multicast on this interface");
                }
            }
        }
    }
    if let Some(targets) = broadcast_to(&options.udp_broadcast, &interfaces) {
        match net::udp_broadcast(port, joins(&channels, options)) {
            Ok(socket) => {
                let to = targets.into_iter().map(|to| SocketAddr::from((to, port))).collect();
                channels.push(Channel { socket, to });
            }
            Err(error) => {
                tracing::warn!(port, %error, todo = advice(&error), "no udp discovery by broadcast");
            }
        }
    }
    if !options.udp_reuse_addr {
        share_with_further(&channels, false);
    }
    channels
}

/// Whether the next socket shares the port. If other processes must not use the port, the first socket takes
/// it, and lets the other sockets of this node join until all are open.
fn joins(channels: &[Channel], options: &TcpOptions) -> bool {
    if !options.udp_reuse_addr {
        share_with_further(channels, true);
    }
    options.udp_reuse_addr || !channels.is_empty()
}

fn share_with_further(channels: &[Channel], share: bool) {
    for Channel { socket, .. } in channels {
        if let Err(error) = net::share_port(socket, share) {
            tracing::warn!(%error, share, "the system does not change who may use the udp port");
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "leave `udpReuseAddr` on in every process of this host, or give `udpPort` another value on all nodes"
        }
        _ => "name the interface to use by `udpBindAddress`, or switch `udpMulticast` off",
    }
}

/// The addresses to which announcements are broadcast, each once. `None` if nothing is broadcast.
fn broadcast_to(wanted: &UdpBroadcast, interfaces: &[Interface]) -> Option<Vec<Ipv4Addr>> {
    let mut targets: Vec<Ipv4Addr> = match wanted {
        UdpBroadcast::Off => return None,
        // Operating systems give an interface that cannot broadcast its own address.
        UdpBroadcast::Interfaces => interfaces
            .iter()
            .filter_map(|interface| interface.broadcast.filter(|to| *to != interface.address))
            .collect(),
        UdpBroadcast::To(addresses) => addresses.clone(),
    };
    targets.sort_unstable();
    targets.dedup();
    Some(targets)
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    address: Ipv4Addr,
    broadcast: Option<Ipv4Addr>,
}

/// The IPv4 interfaces of this host, including loopback, or only the one with the given address.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(address: [u8; 4], broadcast: Option<[u8; 4]>) -> Interface {
        Interface { address: address.into(), broadcast: broadcast.map(Into::into) }
    }

    #[test]
    fn broadcasts_go_to_every_interface_that_can_or_to_the_addresses_given_each_once() {
        let interfaces = [
            interface([127, 0, 0, 1], None),
            interface([192, 0, 2, 7], Some([192, 0, 2, 255])),
            interface([192, 0, 2, 8], Some([192, 0, 2, 255])),
            interface([198, 51, 100, 1], Some([198, 51, 100, 127])),
            interface([203, 0, 113, 1], Some([203, 0, 113, 1])),
        ];
        let to = |wanted| broadcast_to(&wanted, &interfaces);
        let [first, second] = [Ipv4Addr::new(192, 0, 2, 255), Ipv4Addr::new(198, 51, 100, 127)];
        assert_eq!(to(UdpBroadcast::Off), None);
        assert_eq!(to(UdpBroadcast::Interfaces), Some(vec![first, second]));
        assert_eq!(to(UdpBroadcast::To(vec![second, second])), Some(vec![second]));
        assert_eq!(broadcast_to(&UdpBroadcast::Interfaces, &interfaces[..1]), Some(vec![]));
    }

    #[test]
    fn an_address_asked_for_leaves_one_interface_whether_this_host_has_it_or_not() {
        let here = interfaces(Some(Ipv4Addr::LOCALHOST));
        assert_eq!(here.iter().map(|interface| interface.address).collect::<Vec<_>>(), [Ipv4Addr::LOCALHOST]);
        let elsewhere = interfaces(Some(Ipv4Addr::new(192, 0, 2, 77)));
        assert!(
            matches!(elsewhere[..], [Interface { address, broadcast: None }] if address.octets()[3] == 77)
        );
        assert!(interfaces(None).iter().any(|interface| interface.address == Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn without_sharing_a_node_opens_all_its_sockets_and_another_one_none() {
        let taken = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let options = TcpOptions {
            udp_port: port,
            udp_bind_address: Some(Ipv4Addr::LOCALHOST),
            udp_multicast_ttl: 0,
            udp_broadcast: UdpBroadcast::To(vec![Ipv4Addr::new(127, 255, 255, 255)]),
            udp_reuse_addr: false,
            ..TcpOptions::default()
        };
        assert!(channels(&options).is_empty(), "somebody else has the port");
        drop(taken);
        let ours = channels(&options);
        assert_eq!(ours.len(), 2, "one for multicast, one for broadcasts");
        for udp_reuse_addr in [false, true] {
            let second = TcpOptions { udp_reuse_addr, ..options.clone() };
            assert!(channels(&second).is_empty(), "the first has the port for itself");
        }
        drop(ours);
        let shared = TcpOptions { udp_reuse_addr: true, ..options };
        let both = [channels(&shared), channels(&shared)];
        assert!(both.iter().all(|channels| channels.len() == 2));
    }
}
