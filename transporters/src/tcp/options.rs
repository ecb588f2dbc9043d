//! Options of the TCP transporter, under the names Moleculer uses (protocol chapter 4.1).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::framing::HEADER;
use super::{Urls, net};
use crate::options;
use crate::options::kind::{NONE, code, grouped, is_none, maybe, parsed};
use crate::options::{Also, BYTES, COUNT, Expected, FLAG, Kind, MILLISECONDS, SECONDS};
use crate::{Name, TransportError, TransporterUrl};

options! {
    /// Options of the TCP transporter.
    #[derive(Clone)]
    pub struct TcpOptions of "the TCP transporter";
    fields {
        /// Port to listen on. The default is the port of this node's own entry in `urls`, or else a free one.
        "port": PORT_OR_FREE => pub port: Option<u16> = None;
        /// Address to listen on, and to connect from; `0.0.0.0` is every IPv4 interface.
        "bind": ADDRESS => pub bind: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        /// Host name under which other nodes reach this one. The default is the name of the host.
        "hostname": HOSTNAME => pub hostname: Option<Name> = None;
        /// Port under which other nodes reach this one, if it differs from the port listened on (containers,
        /// NAT).
        "advertisedPort": PORT_OR_FREE => pub advertised_port: Option<u16> = None;
        /// Whether peers are reached by their host name rather than by their first address.
        "useHostname": FLAG => pub use_hostname: bool = true;
        /// Whether nodes find each other by UDP.
        "udpDiscovery": FLAG => pub udp_discovery: bool = true;
        /// UDP port, the same for all nodes.
        "udpPort": PORT => pub udp_port: u16 = 4445;
        /// Address of the only interface that takes part in discovery.
        "udpBindAddress": INTERFACE => pub udp_bind_address: Option<Ipv4Addr> = None;
        /// Time between announcements.
        "udpPeriod": SECONDS => pub udp_period: Duration = Duration::from_secs(30);
        /// Number of announcements after which this node stops announcing itself. 0 means never.
        "udpMaxDiscovery": ANNOUNCEMENTS => pub udp_max_discovery: u32 = 0;
        /// Whether several processes of a host share the UDP port.
        "udpReuseAddr": FLAG => pub udp_reuse_addr: bool = true;
        /// Multicast group; `false` for no multicast.
        "udpMulticast": GROUP => pub udp_multicast: Option<Ipv4Addr> = Some(Ipv4Addr::new(239, 0, 0, 0));
        /// Hops of a multicast packet: 0 stays on the host, 1 on its network.
        "udpMulticastTTL": HOPS => pub udp_multicast_ttl: u32 = 1;
        /// Broadcasts in addition to multicast: `true` for the broadcast address of every IPv4 interface, or
        /// addresses separated by commas.
        "udpBroadcast": BROADCAST => pub udp_broadcast: UdpBroadcast = UdpBroadcast::Off;
        /// Time between rounds of gossip, at least 1 s.
        "gossipPeriod": SECONDS => pub gossip_period: Duration = Duration::from_secs(2);
        /// Outgoing connections that are kept open.
        "maxConnections": COUNT => pub max_connections: usize = 32;
        /// Largest frame that is received, with its header.
        "maxPacketSize": BYTES => pub max_packet_size: usize = 1024 * 1024;
        /// Whether gossip is logged.
        "debug": FLAG => pub debug: bool = false;
        /// Largest packet that is sent. A larger one fails at its sender, with the limit in the error.
        /// Node.js ends a connection on which more than 1 MiB has piled up, frames before and behind
        /// included, hence the distance.
        "maxSendSize": BYTES => pub max_send_size: usize = 960 * 1024;
        /// Bytes that may wait for one peer. More makes slow peers cost more memory, less makes bursts fail
        /// sooner.
        "sendBufferBytes": BYTES => pub send_buffer_bytes: usize = 8 * 1024 * 1024;
        /// Frames that may wait for one peer.
        "sendBufferFrames": COUNT => pub send_buffer_frames: usize = 1024;
        /// Inbound connections in total.
        "maxInboundConnections": COUNT => pub max_inbound_connections: usize = 1024;
        /// Inbound connections from one address.
        "maxInboundPerAddress": COUNT => pub max_inbound_per_address: usize = 64;
        /// Time to connect to a peer.
        "connectTimeout": MILLISECONDS => pub connect_timeout: Duration = Duration::from_secs(5);
        /// A peer that accepts no byte for this long is lost.
        "writeTimeout": MILLISECONDS => pub write_timeout: Duration = Duration::from_secs(10);
        /// Time for a frame to arrive once it has begun.
        "frameTimeout": MILLISECONDS => pub frame_timeout: Duration = Duration::from_secs(10);
        /// Time to write what is still waiting when the transporter closes.
        "closeTimeout": MILLISECONDS => pub close_timeout: Duration = Duration::from_secs(2);
    }
    then {
        /// Peers that are known from the start: `host:port/nodeID`, separated by commas, or a list of these,
        /// or an object from node id to `host:port`, or `file://path` of a file with any of these.
        "urls": Also::new(|options: &mut Self, _, text| {
            if !is_none(text) {
                options.urls.add(text);
            }
            Ok(())
        }).default(NONE).whole();
    }
    state {
        /// Peers that are known from the start (`urls`).
        pub urls: Urls = Urls::default();
        /// The first announcement comes after a random time between these (default 0.5 s and 1 s).
        #[doc(hidden)]
        pub udp_first: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
    }
}

const PORT: Kind<u16> = Kind::new(port, u16::to_string);

const PORT_OR_FREE: Kind<Option<u16>> = Kind::new(
    |text| match text {
        "0" => Ok(None),
        text if is_none(text) => Ok(None),
        text => port(text).map(Some),
    },
    maybe,
);

const ADDRESS: Kind<IpAddr> = Kind::new(|text| parsed(text, "an IP address"), code);

const HOSTNAME: Kind<Option<Name>> = Kind::new(|text| Ok((!is_none(text)).then(|| text.into())), maybe);

const INTERFACE: Kind<Option<Ipv4Addr>> = Kind::new(
    |text| match is_none(text) {
        true => Ok(None),
        false => {
            let address: Ipv4Addr = parsed(text, "an IPv4 address")?;
            Ok((!address.is_unspecified()).then_some(address))
        }
    },
    maybe,
);

const ANNOUNCEMENTS: Kind<u32> = Kind::new(|text| parsed(text, "a number"), u32::to_string);

const GROUP: Kind<Option<Ipv4Addr>> = Kind::new(
    |text| match text {
        "false" => Ok(None),
        text if is_none(text) => Ok(None),
        text => multicast_group(text).map(Some),
    },
    maybe,
);

const HOPS: Kind<u32> =
    Kind::new(|text| parsed::<u8>(text, "a number up to 255").map(u32::from), |hops| grouped(*hops as usize));

const BROADCAST: Kind<UdpBroadcast> = Kind::new(broadcast, |to| match to {
    UdpBroadcast::Off => "false".to_owned(),
    UdpBroadcast::Interfaces => "true".to_owned(),
    UdpBroadcast::To(addresses) => {
        code(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }
});

fn port(value: &str) -> Result<u16, Expected> {
    net::port_number(value).ok_or("a port from 1 to 65535")
}

fn multicast_group(text: &str) -> Result<Ipv4Addr, Expected> {
    let expected = "a multicast address (224.0.0.0 to 239.255.255.255), or false";
    let group: Ipv4Addr = parsed(text, expected)?;
    group.is_multicast().then_some(group).ok_or(expected)
}

fn broadcast(value: &str) -> Result<UdpBroadcast, Expected> {
    match value {
        "" | "null" | "false" => Ok(UdpBroadcast::Off),
        "true" => Ok(UdpBroadcast::Interfaces),
        list => list
            .split(',')
            .map(|address| parsed(address.trim(), "true, false, or IPv4 addresses separated by commas"))
            .collect::<Result<_, _>>()
            .map(UdpBroadcast::To),
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
    /// Adds what a URL says: peers, and options behind a `?`. A bare `TCP`, as Node has it, says nothing.
    ///
    /// # Errors
    /// [`TransportError::Config`] when it is none of TCP, or an option is wrong.
    pub(super) fn add_url(&mut self, url: &str) -> Result<(), TransportError> {
        let url = TransporterUrl::new(url);
        if url.scheme() != "tcp" {
            let url = url.as_str();
            return Err(TransportError::Config(format!(
                "`{url}` is not a URL of the TCP transporter, which are like `tcp://host:port/nodeID`"
            )));
        }
        if !url.place().trim().is_empty() {
            self.urls.add(url.place());
        }
        url.configure(self)
    }

    /// Checks what single options cannot.
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
    use crate::options::Options as _;

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

    #[test]
    fn every_named_option_can_be_set() {
        let value = |name: &str| match name {
            "bind" | "udpBindAddress" => "127.0.0.1",
            "udpMulticast" => "239.1.2.3",
            "useHostname" | "udpDiscovery" | "udpReuseAddr" => "false",
            "debug" => "true",
            "udpBroadcast" => "192.0.2.255, 198.51.100.255",
            name if name.ends_with("Timeout") || name.ends_with("Period") => "1500ms",
            _ => "77",
        };
        let mut options = TcpOptions::default();
        let before = format!("{options:?}");
        for name in TcpOptions::default().rows().iter().map(|row| row.name) {
            let last = format!("{options:?}");
            options.set(name, value(name)).unwrap();
            assert_ne!(format!("{options:?}"), last, "{name} changed nothing");
        }
        assert_ne!(format!("{options:?}"), before);
        assert_eq!(options.udp_period, Duration::from_millis(1500));
    }

    #[test]
    fn bare_numbers_are_seconds_for_periods_and_milliseconds_for_timeouts() {
        let mut options = TcpOptions::default();
        options.set("gossipPeriod", "3").unwrap();
        options.set("udpPeriod", "0.5").unwrap();
        options.set("frameTimeout", "300").unwrap();
        assert_eq!(options.gossip_period, Duration::from_secs(3));
        assert_eq!(options.udp_period, Duration::from_millis(500));
        assert_eq!(options.frame_timeout, Duration::from_millis(300));
    }

    #[test]
    fn an_environment_variable_names_an_option_whose_letters_are_all_large() {
        let mut options = TcpOptions::default();
        options.set("udpMulticastTtl", "3").unwrap();
        assert_eq!(options.udp_multicast_ttl, 3);
    }

    #[test]
    fn an_unknown_option_is_named_beside_the_ones_that_exist() {
        let error = TcpOptions::default().set("udpdiscovery", "true").unwrap_err().to_string();
        assert!(error.contains("`udpdiscovery`") && error.contains("udpDiscovery, udpPort"), "{error}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_what_would() {
        for (name, value) in [
            ("port", "70000"),
            ("port", "1e3"),
            ("bind", "localhost"),
            ("udpDiscovery", "yes"),
            ("udpMulticast", "127.0.0.1"),
            ("udpBroadcast", "true,false"),
            ("gossipPeriod", "-1"),
            ("frameTimeout", "NaN"),
            ("frameTimeout", "10 parsecs"),
            ("maxConnections", "0"),
        ] {
            let error = TcpOptions::default().set(name, value).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value) && error.contains("give "), "{error}");
        }
    }
}
