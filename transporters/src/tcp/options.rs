//! Options of the TCP transporter, under the names Moleculer uses (protocol chapter 4.1).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Urls;
use super::framing::HEADER;
use crate::{Name, TransportError};

/// Options of the TCP transporter.
///
/// [`TcpOptions::set`] takes each option by the name in parentheses, which is also its name in the query of a
/// URL and in a configuration file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TcpOptions {
    /// The port to listen on (`port`). The default is the port of the own entry in `urls`, or else a free
    /// port.
    pub port: Option<u16>,
    /// The address to listen on (`bind`, default: `0.0.0.0`, every IPv4 interface).
    pub bind: IpAddr,
    /// The host name under which other nodes reach this one (`hostname`, default: the name of the host).
    pub hostname: Option<Name>,
    /// The port under which other nodes reach this one, if it differs from the port to listen on
    /// (`advertisedPort`).
    pub advertised_port: Option<u16>,
    /// Whether peers are reached by their host name instead of their first address (`useHostname`, default:
    /// true).
    pub use_hostname: bool,
    /// Peers that are known from the start (`urls`).
    pub urls: Urls,
    /// Whether nodes find each other by UDP (`udpDiscovery`, default: true).
    pub udp_discovery: bool,
    /// The UDP port, the same for all nodes (`udpPort`, default: 4445).
    pub udp_port: u16,
    /// If set, only the interface with this address takes part in discovery (`udpBindAddress`).
    pub udp_bind_address: Option<Ipv4Addr>,
    /// The time between two announcements (`udpPeriod`, default: 30 s).
    pub udp_period: Duration,
    /// The number of announcements after which this node makes no more. 0 means no limit (`udpMaxDiscovery`).
    pub udp_max_discovery: u32,
    /// Whether several processes on a host may share the UDP port (`udpReuseAddr`, default: true).
    pub udp_reuse_addr: bool,
    /// The multicast group (`udpMulticast`, default: `239.0.0.0`). `None` switches multicast off.
    pub udp_multicast: Option<Ipv4Addr>,
    /// How many routers a multicast may pass (`udpMulticastTTL`, default: 1).
    pub udp_multicast_ttl: u32,
    /// Broadcasts in addition to multicast (`udpBroadcast`, default: off).
    pub udp_broadcast: UdpBroadcast,
    /// The time between two rounds of gossip (`gossipPeriod`, default: 2 s, at least 1 s).
    pub gossip_period: Duration,
    /// The number of outgoing connections that are kept open (`maxConnections`, default: 32).
    pub max_connections: usize,
    /// The largest frame that is received, in bytes with its header (`maxPacketSize`, default: 1 MiB).
    pub max_packet_size: usize,
    /// Whether gossip is logged (`debug`, default: false).
    pub debug: bool,
    /// The largest packet that is sent, in bytes (`maxSendSize`, default: 960 KiB). Node.js closes a
    /// connection when more than 1 MiB has accumulated, which includes the frames before and after. So the
    /// default is below 1 MiB.
    pub max_send_size: usize,
    /// The bytes that may wait for one peer (`sendBufferBytes`, default: 8 MiB). If it is high, slow peers
    /// cost more memory. If it is low, bursts fail sooner.
    pub send_buffer_bytes: usize,
    /// The number of frames that may wait for one peer (`sendBufferFrames`, default: 1,024).
    pub send_buffer_frames: usize,
    /// The number of inbound connections in total (`maxInboundConnections`, default: 1,024).
    pub max_inbound_connections: usize,
    /// The number of inbound connections from one address (`maxInboundPerAddress`, default: 64).
    pub max_inbound_per_address: usize,
    /// How long connecting to a peer may take (`connectTimeout`, default: 5 s).
    pub connect_timeout: Duration,
    /// A peer that accepts not a single byte for this long is lost (`writeTimeout`, default: 10 s).
    pub write_timeout: Duration,
    /// How long a frame may take to arrive after its first byte (`frameTimeout`, default: 10 s).
    pub frame_timeout: Duration,
    /// How long a closing transporter writes what is still waiting (`closeTimeout`, default: 2 s).
    pub close_timeout: Duration,
    /// The first announcement is made after a random time in this range (default: 0.5 s to 1 s).
    #[doc(hidden)]
    pub udp_first: (Duration, Duration),
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            port: None,
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            hostname: None,
            advertised_port: None,
            use_hostname: true,
            urls: Urls::default(),
            udp_discovery: true,
            udp_port: 4445,
            udp_bind_address: None,
            udp_period: Duration::from_secs(30),
            udp_max_discovery: 0,
            udp_reuse_addr: true,
            udp_multicast: Some(Ipv4Addr::new(239, 0, 0, 0)),
            udp_multicast_ttl: 1,
            udp_broadcast: UdpBroadcast::Off,
            gossip_period: Duration::from_secs(2),
            max_connections: 32,
            max_packet_size: 1024 * 1024,
            debug: false,
            max_send_size: 960 * 1024,
            send_buffer_bytes: 8 * 1024 * 1024,
            send_buffer_frames: 1024,
            max_inbound_connections: 1024,
            max_inbound_per_address: 64,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            udp_first: (Duration::from_millis(500), Duration::from_secs(1)),
        }
    }
}

/// The addresses to which announcements are broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UdpBroadcast {
    /// No broadcast (`false`).
    #[default]
    Off,
    /// The broadcast address of every IPv4 interface (`true`).
    Interfaces,
    /// These addresses.
    To(Vec<Ipv4Addr>),
}

impl TcpOptions {
    /// Checks what cannot be checked for each option alone.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let times = [
            self.udp_period,
            self.gossip_period,
            self.connect_timeout,
            self.write_timeout,
            self.frame_timeout,
            self.close_timeout,
            self.udp_first.0,
            self.udp_first.1,
        ];
        let wrong = if self.max_packet_size <= HEADER || self.max_packet_size > i32::MAX as usize {
            "`maxPacketSize` must be between 7 bytes and 2 GiB"
        } else if self.gossip_period < Duration::from_secs(1) {
            "`gossipPeriod` must be at least 1 s"
        } else if self.udp_discovery && self.udp_period.is_zero() {
            "`udpPeriod` must not be 0"
        } else if self.udp_port == 0 && self.udp_discovery {
            "`udpPort` must not be 0, all nodes have to use the same"
        } else if self.max_send_size == 0 || self.send_buffer_bytes == 0 || self.send_buffer_frames == 0 {
            "`maxSendSize`, `sendBufferBytes` and `sendBufferFrames` must not be 0"
        } else if [self.connect_timeout, self.write_timeout, self.frame_timeout].iter().any(Duration::is_zero)
        {
            "`connectTimeout`, `writeTimeout` and `frameTimeout` must not be 0"
        } else if times.iter().any(|time| *time > LONGEST) {
            "no time may exceed 365 days"
        } else {
            return Ok(());
        };
        Err(TransportError::Config(format!("{wrong} (option of the TCP transporter)")))
    }

    /// The largest packet that is sent.
    pub(crate) fn largest_packet(&self) -> usize {
        self.max_send_size.min(self.max_packet_size.saturating_sub(HEADER))
    }
}

/// With a longer duration, a time could overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |change: fn(&mut TcpOptions)| {
            let mut options = TcpOptions::default();
            change(&mut options);
            assert!(options.validate().is_err());
        };
        TcpOptions::default().validate().unwrap();
        refused(|options| options.max_packet_size = 6);
        refused(|options| options.gossip_period = Duration::from_millis(10));
        refused(|options| options.udp_period = Duration::ZERO);
        refused(|options| options.send_buffer_frames = 0);
        refused(|options| options.frame_timeout = Duration::MAX);
        refused(|options| options.write_timeout = Duration::ZERO);
    }
}
