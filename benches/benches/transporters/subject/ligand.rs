//! Brokers: over TCP with static addresses, or on a message server.

use ::ligand::{
    BrokerBuilder, Codec, Context, Error, ErrorKind, NodeId, Payload, Reply, ServiceBroker, ServiceDef,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

use super::{MAX_FRAME, NODES, Place, body};
use crate::closed_loop::{self, WINDOW};
use crate::figures::Figures;
use crate::load::Load;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    d: String,
}

/// Parameters of `seen`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Wanted {
    wanted: u64,
}

/// The events that have arrived. A message server may deliver the question for their number first, so the
/// answer waits until all of them must have arrived.
struct Seen {
    count: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Seen {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), wanted: AtomicU64::new(u64::MAX), reached: Notify::new() }
    }

    fn one_more(&self) {
        if self.count.fetch_add(1, Ordering::SeqCst) + 1 >= self.wanted.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    async fn take(&self, wanted: u64) -> u64 {
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.count.load(Ordering::SeqCst) < wanted {
            // Lost events never arrive. The table then shows how slow that was.
            if tokio::time::timeout(LOST_AFTER, self.reached.notified()).await.is_err() {
                break;
            }
        }
        self.wanted.store(u64::MAX, Ordering::SeqCst);
        self.count.swap(0, Ordering::SeqCst)
    }
}

/// How long an event may take.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// The services of every serving node: an echo, events, and the number of events that have arrived.
pub(super) fn service(n: usize) -> ServiceDef {
    let seen = Arc::new(Seen::new());
    let counter = || {
        let seen = Arc::clone(&seen);
        move |_cx: Context, _data: Payload| {
            seen.one_more();
            async { Ok::<_, Error>(()) }
        }
    };
    let (to_one, to_all) = (counter(), counter());
    ServiceDef::builder(format!("echo{n}"))
        .action_raw("raw", |_cx: Context, body: Payload| async move { Ok::<_, Error>(Reply::from(body)) })
        .action("typed", |_cx: Context, body: Body| async move { Ok::<_, Error>(body) })
        .action("seen", move |_cx: Context, Wanted { wanted }: Wanted| {
            let seen = Arc::clone(&seen);
            async move { Ok::<_, Error>(seen.take(wanted).await) }
        })
        .event(format!("to{n}").as_str(), to_one)
        .event("to-all", to_all)
        .build()
}

fn url(ports: &[u16]) -> String {
    let nodes: Vec<_> =
        ports.iter().enumerate().map(|(n, port)| format!("127.0.0.1:{port}/{}", id(n))).collect();
    format!(
        "tcp://{}?udpDiscovery=false&useHostname=false&bind=127.0.0.1&maxPacketSize={MAX_FRAME}\
         &maxSendSize={MAX_FRAME}&sendBufferBytes={}&sendBufferFrames=4096",
        nodes.join(","),
        64 << 20
    )
}

/// The first node is the client.
fn id(n: usize) -> String {
    format!("n{n}")
}

fn broker(place: &Place, n: usize) -> BrokerBuilder {
    let builder = ServiceBroker::builder().node_id(id(n));
    match place {
        Place::Ports(ports) => builder.transporter(url(ports).as_str()),
        Place::Server { url, namespace } => builder.namespace(namespace).transporter(url.as_str()),
    }
}

pub(super) async fn serve(place: &Place) -> io::Result<Vec<ServiceBroker>> {
    let mut brokers = Vec::new();
    for n in 1..=NODES {
        let broker = broker(place, n).service(service(n)).build().map_err(io::Error::other)?;
        broker.start().await.map_err(io::Error::other)?;
        brokers.push(broker);
    }
    Ok(brokers)
}

/// A broker that calls `echo1`, and sends events to all nodes.
pub(crate) struct Client {
    broker: ServiceBroker,
    typed: bool,
    #[allow(dead_code, reason = "kept alive")]
    servers: Vec<ServiceBroker>,
}

impl Client {
    pub(super) async fn start(place: &Place, typed: bool) -> io::Result<Self> {
        let broker = broker(place, 0).build().map_err(io::Error::other)?;
        broker.start().await.map_err(io::Error::other)?;
        Self::of(broker, typed, Vec::new()).await
    }

    pub(super) async fn of(
        broker: ServiceBroker,
        typed: bool,
        servers: Vec<ServiceBroker>,
    ) -> io::Result<Self> {
        let names: Vec<_> = (1..=NODES).map(|n| format!("echo{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        broker.wait_for_within(&names, Duration::from_secs(30)).await.map_err(io::Error::other)?;
        for n in 1..=NODES {
            broker
                .call::<u64>(format!("echo{n}.seen"), Wanted { wanted: 0 })
                .await
                .map_err(io::Error::other)?;
        }
        Ok(Self { broker, typed, servers })
    }

    pub(super) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        match load {
            Load::Calls { size, concurrency } if self.typed => {
                let d = "x".repeat(size.saturating_sub(r#"{"d":""}"#.len()));
                let (broker, body) = (self.broker.clone(), Arc::new(Body { d }));
                let call = move || {
                    let (broker, body) = (broker.clone(), Arc::clone(&body));
                    async move {
                        let call = broker.call::<Body>("echo1.typed", &*body).await;
                        call.map(drop).map_err(io::Error::other)
                    }
                };
                closed_loop::calls(call, concurrency, time).await
            }
            Load::Calls { size, concurrency } => {
                let (broker, body) = (self.broker.clone(), body(size));
                let call = move || {
                    let (broker, body) = (broker.clone(), body.clone());
                    async move {
                        let params = Payload::from_encoded(Codec::Json, body);
                        let call = broker.call::<()>("echo1.raw", params).raw().await;
                        call.map(drop).map_err(io::Error::other)
                    }
                };
                closed_loop::calls(call, concurrency, time).await
            }
            Load::Events { size, nodes } => {
                let (broker, body) = (self.broker.clone(), body(size));
                let window = move || {
                    let (broker, body) = (broker.clone(), body.clone());
                    async move { window(&broker, &body, nodes).await }
                };
                closed_loop::events(window, time).await
            }
        }
    }
}

/// Sends events to one node or to all. Returns how many have arrived.
async fn window(broker: &ServiceBroker, body: &Bytes, nodes: usize) -> io::Result<u64> {
    let event = if nodes == 1 { "to1" } else { "to-all" };
    for _ in 0..WINDOW {
        loop {
            match broker.broadcast(event, Payload::from_encoded(Codec::Json, body.clone())).await {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::QueueIsFull => tokio::task::yield_now().await,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
    let (mut seen, wanted) = (0, Wanted { wanted: WINDOW as u64 });
    for n in 1..=nodes {
        let node = NodeId::new(id(n)).map_err(io::Error::other)?;
        let count = broker.call::<u64>(format!("echo{n}.seen"), wanted).node(&node).await;
        seen += count.map_err(io::Error::other)?;
    }
    Ok(seen)
}
