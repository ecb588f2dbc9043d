//! Options of the TCP transporter, under the names Moleculer uses (protocol chapter 4.1).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::framing::HEADER;
use super::{Urls, net};
use crate::{Name, TransportError};

/// Options of the TCP transporter.
///
/// [`TcpOptions::set`] understands each by the name given in parentheses, as it stands in the query of a
/// URL or in a configuration file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TcpOptions {
    /// Port to listen on (`port`). Without one: that of the own entry in `urls`, else a free one.
    pub port: Option<u16>,
    /// Address to listen on (`bind`, default `0.0.0.0`: every IPv4 interface).
    pub bind: IpAddr,
    /// Host name under which other nodes reach this one (`hostname`, default that of the host).
    pub hostname: Option<Name>,
    /// Port under which other nodes reach this one, where it is not the one listened on
    /// (`advertisedPort`).
    pub advertised_port: Option<u16>,
    /// Whether peers are reached by their host name rather than by their first address
    /// (`useHostname`, default true).
    pub use_hostname: bool,
    /// Peers that are known from the start (`urls`).
    pub urls: Urls,
    /// Whether nodes find each other by UDP (`udpDiscovery`, default true).
    pub udp_discovery: bool,
    /// UDP port, the same for all nodes (`udpPort`, default 4445).
    pub udp_port: u16,
    /// Only this interface takes part in discovery, named by its address (`udpBindAddress`).
    pub udp_bind_address: Option<Ipv4Addr>,
    /// Time between announcements (`udpPeriod`, default 30 s).
    pub udp_period: Duration,
    /// Announcements after which this node falls silent, 0 for never (`udpMaxDiscovery`).
    pub udp_max_discovery: u32,
    /// Whether several nodes on a host share the UDP port (`udpReuseAddr`, default true).
    pub udp_reuse_addr: bool,
    /// Multicast group (`udpMulticast`, default `239.0.0.0`); none switches multicast off.
    pub udp_multicast: Option<Ipv4Addr>,
    /// How many routers a multicast may pass (`udpMulticastTTL`, default 1).
    pub udp_multicast_ttl: u32,
    /// Broadcasts besides multicast (`udpBroadcast`, default off).
    pub udp_broadcast: UdpBroadcast,
    /// Time between rounds of gossip (`gossipPeriod`, default 2 s, at least 1 s).
    pub gossip_period: Duration,
    /// Outgoing connections that are kept open (`maxConnections`, default 32).
    pub max_connections: usize,
    /// Largest frame that is received, in bytes with its header (`maxPacketSize`, default 1 MiB).
    pub max_packet_size: usize,
    /// Whether gossip is logged (`debug`, default false).
    pub debug: bool,
    /// Largest packet that is sent, in bytes (`maxSendSize`, default 960 KiB). Node.js ends a connection
    /// on which more than 1 MiB has piled up, frames before and behind included, hence the distance.
    pub max_send_size: usize,
    /// Bytes that may wait for one peer (`sendBufferBytes`, default 8 MiB). More makes slow peers cost
    /// more memory, less makes bursts fail sooner.
    pub send_buffer_bytes: usize,
    /// Frames that may wait for one peer (`sendBufferFrames`, default 1,024).
    pub send_buffer_frames: usize,
    /// Inbound connections in total (`maxInboundConnections`, default 1,024).
    pub max_inbound_connections: usize,
    /// Inbound connections from one address (`maxInboundPerAddress`, default 64).
    pub max_inbound_per_address: usize,
    /// Time to connect to a peer (`connectTimeout`, default 5 s).
    pub connect_timeout: Duration,
    /// A peer that takes not one byte for this long is lost (`writeTimeout`, default 10 s).
    pub write_timeout: Duration,
    /// Time for a frame to arrive once it has begun (`frameTimeout`, default 10 s).
    pub frame_timeout: Duration,
    /// Time to write what is still waiting when the transporter closes (`closeTimeout`, default 2 s).
    pub close_timeout: Duration,
    /// The first announcement comes after a random time between these (default 0.5 s and 1 s).
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

/// Where announcements are broadcast to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UdpBroadcast {
    /// Nowhere (`false`).
    #[default]
    Off,
    /// The broadcast address of every IPv4 interface (`true`).
    Interfaces,
    /// These addresses.
    To(Vec<Ipv4Addr>),
}

impl TcpOptions {
    /// Names that [`Self::set`] understands.
    pub const NAMES: &[&str] = &[
        "port",
        "bind",
        "hostname",
        "advertisedPort",
        "useHostname",
        "urls",
        "udpDiscovery",
        "udpPort",
        "udpBindAddress",
        "udpPeriod",
        "udpMaxDiscovery",
        "udpReuseAddr",
        "udpMulticast",
        "udpMulticastTTL",
        "udpBroadcast",
        "gossipPeriod",
        "maxConnections",
        "maxPacketSize",
        "debug",
        "maxSendSize",
        "sendBufferBytes",
        "sendBufferFrames",
        "maxInboundConnections",
        "maxInboundPerAddress",
        "connectTimeout",
        "writeTimeout",
        "frameTimeout",
        "closeTimeout",
    ];

    /// Sets one option from text.
    ///
    /// Times take a unit (`500ms`, `10s`, `2m`); a bare number means seconds for `udpPeriod` and
    /// `gossipPeriod`, as in Node.js, and milliseconds for the others. Lists are comma-separated. An
    /// empty value or `null` takes an optional setting away. `urls` adds to what is there.
    ///
    /// # Errors
    /// [`TransportError::Config`] when there is no such option or the value does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        let value = value.trim();
        let result = match name {
            "port" => port_or_free(value).map(|port| self.port = port),
            "bind" => parsed(value, "an IP address").map(|address| self.bind = address),
            "hostname" => {
                self.hostname = optional(value).map(Name::from);
                Ok(())
            }
            "advertisedPort" => port_or_free(value).map(|port| self.advertised_port = port),
            "useHostname" => flag(value).map(|on| self.use_hostname = on),
            "urls" => {
                if let Some(text) = optional(value) {
                    self.urls.add(text);
                }
                Ok(())
            }
            "udpDiscovery" => flag(value).map(|on| self.udp_discovery = on),
            "udpPort" => port(value).map(|port| self.udp_port = port),
            "udpBindAddress" => {
                optional(value).map(|text| parsed(text, "an IPv4 address")).transpose().map(|address| {
                    self.udp_bind_address = address.filter(|address: &Ipv4Addr| !address.is_unspecified());
                })
            }
            "udpPeriod" => seconds(value).map(|period| self.udp_period = period),
            "udpMaxDiscovery" => parsed(value, "a number").map(|count| self.udp_max_discovery = count),
            "udpReuseAddr" => flag(value).map(|on| self.udp_reuse_addr = on),
            "udpMulticast" => match optional(value).filter(|text| *text != "false") {
                Some(text) => multicast_group(text).map(|group| self.udp_multicast = Some(group)),
                None => {
                    self.udp_multicast = None;
                    Ok(())
                }
            },
            "udpMulticastTTL" => {
                parsed(value, "a number up to 255").map(|ttl: u8| self.udp_multicast_ttl = u32::from(ttl))
            }
            "udpBroadcast" => broadcast(value).map(|to| self.udp_broadcast = to),
            "gossipPeriod" => seconds(value).map(|period| self.gossip_period = period),
            "maxConnections" => count(value).map(|count| self.max_connections = count),
            "maxPacketSize" => count(value).map(|bytes| self.max_packet_size = bytes),
            "debug" => flag(value).map(|on| self.debug = on),
            "maxSendSize" => count(value).map(|bytes| self.max_send_size = bytes),
            "sendBufferBytes" => count(value).map(|bytes| self.send_buffer_bytes = bytes),
            "sendBufferFrames" => count(value).map(|frames| self.send_buffer_frames = frames),
            "maxInboundConnections" => count(value).map(|count| self.max_inbound_connections = count),
            "maxInboundPerAddress" => count(value).map(|count| self.max_inbound_per_address = count),
            "connectTimeout" => milliseconds(value).map(|timeout| self.connect_timeout = timeout),
            "writeTimeout" => milliseconds(value).map(|timeout| self.write_timeout = timeout),
            "frameTimeout" => milliseconds(value).map(|timeout| self.frame_timeout = timeout),
            "closeTimeout" => milliseconds(value).map(|timeout| self.close_timeout = timeout),
            _ => {
                let known = Self::NAMES.join(", ");
                let message = format!("the TCP transporter has no option `{name}`: it has {known}");
                return Err(TransportError::Config(message));
            }
        };
        result.map_err(|expected| {
            TransportError::Config(format!(
                "option `{name}` of the TCP transporter is `{value}`: give {expected}"
            ))
        })
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

/// Beyond it a clock could overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What was expected instead.
type Expected = &'static str;

fn optional(value: &str) -> Option<&str> {
    (!value.is_empty() && value != "null").then_some(value)
}

fn flag(value: &str) -> Result<bool, Expected> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

fn parsed<T: std::str::FromStr>(value: &str, expected: Expected) -> Result<T, Expected> {
    value.parse().map_err(|_| expected)
}

fn count(value: &str) -> Result<usize, Expected> {
    parsed(value, "a number above 0").and_then(|count| match count {
        0 => Err("a number above 0"),
        count => Ok(count),
    })
}

fn port(value: &str) -> Result<u16, Expected> {
    net::port_number(value).ok_or("a port from 1 to 65535")
}

fn port_or_free(value: &str) -> Result<Option<u16>, Expected> {
    match optional(value) {
        None | Some("0") => Ok(None),
        Some(value) => port(value).map(Some),
    }
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

fn seconds(value: &str) -> Result<Duration, Expected> {
    duration(value, 1.0)
}

fn milliseconds(value: &str) -> Result<Duration, Expected> {
    duration(value, 0.001)
}

fn duration(value: &str, bare: f64) -> Result<Duration, Expected> {
    let expected = "a time such as 500ms, 10s or 2m";
    let (number, unit) = match value.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => value.split_at(at),
        None => (value, ""),
    };
    let unit = match unit {
        "" => bare,
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(expected),
    };
    let number: f64 = parsed(number.trim(), expected)?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| expected)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for name in TcpOptions::NAMES {
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
    }
}
