//! Options as text: in the query of a URL or in a configuration file, with the names that Moleculer uses.

use std::net::Ipv4Addr;

use super::{TcpOptions, UdpBroadcast, net};
use crate::option_values::{Expected, count, flag, milliseconds, parsed, seconds};
use crate::{Name, TransportError};

impl TcpOptions {
    /// The names that [`Self::set`] accepts.
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
    /// Times may have a unit (`500ms`, `10s`, `2m`). A plain number means seconds for `udpPeriod` and
    /// `gossipPeriod`, as in Node.js, and milliseconds for the others. Lists are separated by commas. An
    /// empty value or `null` removes an optional setting. `urls` adds to the existing peers.
    ///
    /// # Errors
    /// [`TransportError::Config`] if there is no such option, or if the value is invalid.
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
            // An environment variable, which has no lower-case letters, becomes the second spelling.
            "udpMulticastTTL" | "udpMulticastTtl" => {
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
}

fn optional(value: &str) -> Option<&str> {
    (!value.is_empty() && value != "null").then_some(value)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
    fn every_option_can_be_set_by_an_environment_variable() {
        for name in TcpOptions::NAMES {
            let (mut variable, mut last) = (String::new(), 'x');
            for letter in name.chars() {
                // Like the broker reads `UDP_PORT`: each word begins with a capital letter and has no other
                // one.
                let begins = letter.is_uppercase() && last.is_lowercase();
                variable.push(if begins { letter } else { letter.to_ascii_lowercase() });
                last = letter;
            }
            if let Err(error) = TcpOptions::default().set(&variable, "?") {
                assert!(!error.to_string().contains("has no option"), "{name} as {variable}: {error}");
            }
        }
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
