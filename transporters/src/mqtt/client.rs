//! Opens sessions.

use async_trait::async_trait;
use std::fmt;
use std::time::Duration;

use super::MqttOptions;
use super::options::is_tls;
use super::session::MqttSession;
use super::wire::{Loop, Requester, ServerEvent};
use crate::bus::{Client, Port, Server};
use crate::{Link, PacketKind, Route, Topics, TransportError};

/// Requests that may wait in the library's event loop. The number is small, because nobody knows whether the
/// requests in the loop have been sent.
const REQUESTS: usize = 64;
/// The most that MQTT adds to a payload, besides the topic.
const HEADER: usize = 64;
/// More than the length of any topic, which has a namespace and two ids.
const TOPIC: usize = 1024;

/// Opens sessions with the servers.
pub(super) struct MqttClient {
    options: MqttOptions,
    servers: Vec<Server>,
    topics: Topics,
    #[cfg(feature = "mqtt-tls")]
    tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl MqttClient {
    pub(super) fn new(options: &MqttOptions, link: &Link) -> Result<Self, TransportError> {
        let servers = options.servers();
        Ok(Self {
            topics: link.topics().clone().with_separator(&options.topic_separator),
            #[cfg(feature = "mqtt-tls")]
            tls: if servers.iter().any(is_tls) {
                Some(std::sync::Arc::new(options.tls.client_config()?))
            } else {
                None
            },
            options: options.clone(),
            servers,
        })
    }

    fn credentials(&self, server: &Server) -> Option<(String, String)> {
        let user = server.user.clone().or_else(|| self.options.username.clone());
        let password = server.password.clone().or_else(|| self.options.password.clone());
        (user.is_some() || password.is_some())
            .then(|| (user.unwrap_or_default(), password.unwrap_or_default()))
    }

    #[cfg(feature = "mqtt-tls")]
    fn transport(&self, server: &Server) -> rumqttc::Transport {
        match self.tls.as_ref().filter(|_| is_tls(server)) {
            Some(config) => {
                rumqttc::Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(config.clone()))
            }
            None => rumqttc::Transport::tcp(),
        }
    }

    #[cfg(not(feature = "mqtt-tls"))]
    #[allow(clippy::unused_self, reason = "it is asked for alike with TLS and without")]
    fn transport(&self, server: &Server) -> rumqttc::Transport {
        debug_assert!(!is_tls(server), "refused when the options were checked");
        rumqttc::Transport::tcp()
    }

    /// Creates the library's two ends, which are not connected yet.
    fn ends(&self, server: &Server) -> (Requester, Loop) {
        let id = match &self.options.client_id {
            Some(id) => id.clone(),
            None => format!("ligand_{:016x}", rand::random::<u64>()),
        };
        let largest = self.options.limits.max_frame + TOPIC + HEADER;
        // `crate::bus` limits the time for the whole attempt. The library counts in seconds.
        let timeout = self.options.limits.connect_timeout.max(Duration::from_secs(1)).as_secs();
        match self.options.protocol_version {
            5 => {
                let mut options = rumqttc::v5::MqttOptions::new(id, &server.host, server.port);
                options.set_transport(self.transport(server));
                options.set_keep_alive(self.options.keep_alive);
                options.set_clean_start(true);
                options.set_connection_timeout(timeout);
                options
                    .set_max_packet_size(Some(u32::try_from(self.options.max_incoming).unwrap_or(u32::MAX)));
                options.set_outgoing_inflight_upper_limit(self.options.inflight);
                if let Some((user, password)) = self.credentials(server) {
                    options.set_credentials(user, password);
                }
                let mut network = options.network_options();
                network.set_tcp_nodelay(true);
                options.set_network_options(network);
                let (client, events) = rumqttc::v5::AsyncClient::new(options, REQUESTS);
                (Requester::V5(client), Loop::V5(Box::new(events)))
            }
            _ => {
                let mut options = rumqttc::MqttOptions::new(id, &server.host, server.port);
                options.set_transport(self.transport(server));
                options.set_keep_alive(self.options.keep_alive);
                options.set_clean_session(true);
                options.set_max_packet_size(self.options.max_incoming, largest);
                options.set_inflight(self.options.inflight);
                if let Some((user, password)) = self.credentials(server) {
                    options.set_credentials(user, password);
                }
                let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
                let mut network = rumqttc::NetworkOptions::new();
                network.set_tcp_nodelay(true);
                network.set_connection_timeout(timeout);
                events.set_network_options(network);
                (Requester::V4(client), Loop::V4(Box::new(events)))
            }
        }
    }
}

/// The rule for topics. Servers close the connection of a client that publishes to an invalid topic.
const ALLOWED: &str =
    "an MQTT topic has no `+`, no `#` and no control characters, at most 200 `/` and 65,535 bytes";

/// Checks a topic. It may contain the id of another node, which can be any text.
fn topic(name: String) -> Result<String, &'static str> {
    // The last two code points of each plane, and a block of 32, are not characters either.
    let is_none = |c: char| {
        let code = u32::from(c);
        matches!(c, '+' | '#')
            || c.is_control()
            || code & 0xFFFE == 0xFFFE
            || (0xFDD0..=0xFDEF).contains(&code)
    };
    let levels = name.matches('/').count();
    if name.contains(is_none) || levels > 200 || name.len() > usize::from(u16::MAX) {
        Err(ALLOWED)
    } else {
        Ok(name)
    }
}

#[async_trait]
impl Client for MqttClient {
    type Topic = std::sync::Arc<str>;
    type Session = MqttSession;

    fn topic(&self, _topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self::Topic, &'static str> {
        topic(self.topics.to(to, kind)).map(Into::into)
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn server(&self, number: usize) -> String {
        self.servers[number].to_string()
    }

    async fn open(&self, server: usize, port: &Port) -> Result<MqttSession, TransportError> {
        let server = &self.servers[server];
        let (requester, mut events) = self.ends(server);
        let mut arrived = Vec::new();
        let max_packet = loop {
            events
                .next(&mut arrived)
                .await
                .map_err(|why| TransportError::connect(server.to_string(), why))?;
            let connected = arrived.drain(..).find_map(|event| match event {
                ServerEvent::Connected { max_packet } => Some(max_packet),
                _ => None,
            });
            if let Some(max_packet) = connected {
                break max_packet;
            }
        };
        let max_frame = max_packet.map_or(usize::MAX, |bytes| bytes.saturating_sub(TOPIC + HEADER));
        Ok(MqttSession::start(requester, events, self.topics.clone(), self.options.qos, max_frame, port))
    }
}

impl fmt::Debug for MqttClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttClient").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_end_the_connection_for_is_no_topic() {
        for wrong in ["a+b", "#", "a\0", "a\r", "a\u{7f}", "a\u{9f}", "a\u{fffe}", "a\u{1ffff}", "a\u{fdd0}"]
        {
            assert_eq!(topic(format!("MOL.RES.{wrong}")), Err(ALLOWED), "{wrong:?}");
        }
        assert_eq!(topic("/".repeat(201)), Err(ALLOWED));
        assert_eq!(topic("x".repeat(65_536)), Err(ALLOWED));
        for right in ["a b", "ä", "$x", "\u{fffd}", "a/b"] {
            assert_eq!(topic(right.to_owned()), Ok(right.to_owned()));
        }
    }
}
