//! Who is connected to a server and what is subscribed there, as the server and its machine tell it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::server::Server;

/// A count of connections and subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// Connections of clients that stand.
    pub(crate) connections: usize,
    /// How often each topic is subscribed to; nothing where the server does not tell.
    pub(crate) subscriptions: Option<BTreeMap<String, usize>>,
}

impl Census {
    pub(crate) async fn of(server: &Server, kind: &str) -> Result<Self, String> {
        let connections = connections(&server.ports()?)?;
        let subscriptions = match kind {
            "NATS" => Some(nats(server.monitor_port()?).await?),
            "Redis" | "Redis Cluster" => Some(redis(server).await?),
            "AMQP" => Some(counted(server.ask(&["list_consumers", "queue_name"]).await?.lines())),
            "MQTT" => Some(mqtt(*server.ports()?.first().ok_or("it has a port")?).await?),
            _ => None,
        };
        Ok(Self { connections, subscriptions })
    }

    /// How many connections there are more than before.
    pub(crate) fn more_connections(&self, before: &Self) -> usize {
        self.connections.saturating_sub(before.connections)
    }

    /// How many subscriptions came on top of those before, or are missing.
    pub(crate) fn other_subscriptions(&self, before: &Self) -> Option<usize> {
        let (now, before) = (self.subscriptions.as_ref()?, before.subscriptions.as_ref()?);
        let topics: std::collections::BTreeSet<_> = now.keys().chain(before.keys()).collect();
        let count = |all: &BTreeMap<String, usize>, topic| all.get(topic).copied().unwrap_or_default();
        Some(topics.into_iter().map(|topic| count(now, topic).abs_diff(count(before, topic))).sum())
    }

    pub(crate) fn subscribed(&self) -> Option<usize> {
        self.subscriptions.as_ref().map(|all| all.values().sum())
    }
}

fn counted<'a>(topics: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for topic in topics.map(str::trim).filter(|topic| !topic.is_empty()) {
        *counts.entry(topic.to_owned()).or_default() += 1;
    }
    counts
}

/// The ends of clients among the machine's sockets: established (state 1), to one of the ports.
fn connections(ports: &[u16]) -> Result<usize, String> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").map_err(|error| error.to_string())?;
    let stands = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let port = fields.get(2).and_then(|remote| remote.rsplit_once(':'));
        let port = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        fields.get(3) == Some(&"01") && port.is_some_and(|port| ports.contains(&port))
    };
    Ok(sockets.lines().filter(stands).count())
}

/// What `/connz` lists; the subject under which a node asks itself is new each time.
async fn nats(port: u16) -> Result<BTreeMap<String, usize>, String> {
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(b"GET /connz?subs=1 HTTP/1.0\r\n\r\n").await?;
        let mut told = String::new();
        stream.read_to_string(&mut told).await.map(|_| told)
    };
    let told = asked.await.map_err(|error| error.to_string())?;
    let body = told.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let told: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let connections = told["connections"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lists = connections.iter().filter_map(|connection| connection["subscriptions_list"].as_array());
    Ok(counted(lists.flatten().filter_map(Value::as_str).filter(|subject| !subject.starts_with("_INBOX"))))
}

/// Channels and their listeners, at every node of a cluster.
async fn redis(server: &Server) -> Result<BTreeMap<String, usize>, String> {
    let channels = server.ask(&["pubsub", "channels"]).await?;
    let mut names: Vec<_> = channels.lines().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let told = server.ask(&[&["pubsub", "numsub"], &*names].concat()).await?;
    let lines: Vec<_> = told.lines().collect();
    let mut counts = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        *counts.entry(pair[0].to_owned()).or_default() += pair[1].parse::<usize>().unwrap_or_default();
    }
    Ok(counts)
}

/// The number that mosquitto publishes every second, without the one that asks. It has no list.
async fn mqtt(port: u16) -> Result<BTreeMap<String, usize>, String> {
    const TOPIC: &[u8] = b"$SYS/broker/subscriptions/count";
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        // CONNECT of MQTT 3.1.1 as "census", then SUBSCRIBE at quality 0.
        stream.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x0a\x00\x06census").await?;
        let length = u8::try_from(TOPIC.len()).expect("it is short");
        stream.write_all(&[&[0x82, length + 5, 0, 1, 0, length], TOPIC, &[0]].concat()).await?;
        let mut told = Vec::new();
        // Long enough for it to count once more.
        let until = Instant::now() + Duration::from_millis(2_500);
        while let Ok(read) = timeout_at(until, stream.read_buf(&mut told)).await {
            if read? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(told)
    };
    let told = asked.await.map_err(|error| error.to_string())?;
    // The last that came: its topic, then digits to the end or to the next packet.
    let last = told.windows(TOPIC.len()).rposition(|window| window == TOPIC);
    let digits = told.get(last.ok_or("mosquitto does not tell its subscriptions")? + TOPIC.len()..);
    let digits = digits.unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    let count: String = digits.map(|byte| char::from(*byte)).collect();
    let count: usize = count.parse().map_err(|_| "mosquitto tells no number")?;
    Ok(BTreeMap::from([("all topics".to_owned(), count.saturating_sub(1))]))
}
