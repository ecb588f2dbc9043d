//! The floor of a message server: request and reply, written directly on the client library that ligand uses.
//!
//! A frame is a number and a body. Each node reads two topics: its own, and one for all nodes. A frame with a
//! number is sent back to the topic of the client. Events have no number, except the last one of a window:
//! when all nodes have sent it back, all events before it have arrived.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

use super::bus::Bus;
use super::{NODES, body};
use crate::closed_loop::{self, WINDOW};
use crate::figures::Figures;
use crate::load::Load;

/// The number of a frame that is not sent back.
const EVENT: u64 = 0;
/// The size of the envelope of ligand's EVENT packet, so that both send packets of the same size.
const ENVELOPE: usize = 256;
/// The number of frames that are taken from a subscription at once.
#[cfg(any(feature = "nats", feature = "redis"))]
const BATCH: usize = 64;

/// The destination of a frame.
#[derive(Debug, Clone, Copy)]
enum To {
    Client,
    Node(usize),
    All,
}

/// The names that a client library uses for these places.
struct Names<T> {
    client: T,
    nodes: Vec<T>,
    all: T,
}

impl<T> Names<T> {
    fn new(namespace: &str, name: impl Fn(String) -> T) -> Self {
        Self {
            client: name(format!("{namespace}.client")),
            nodes: (0..=NODES).map(|n| name(format!("{namespace}.node{n}"))).collect(),
            all: name(format!("{namespace}.all")),
        }
    }

    fn of(&self, to: To) -> &T {
        match to {
            To::Client => &self.client,
            To::Node(n) => &self.nodes[n],
            To::All => &self.all,
        }
    }
}

/// A connection to a server.
trait Wire: Sized + Send + Sync + 'static {
    /// The type of its subscriptions.
    type Source: Source;

    /// Connects, and subscribes to these places. The namespace has not been used before.
    fn open(
        namespace: &str,
        places: &[To],
    ) -> impl Future<Output = io::Result<(Self, Vec<Self::Source>)>> + Send;

    /// Sends all of these.
    fn send(&self, to: To, frames: &[Bytes]) -> impl Future<Output = io::Result<()>> + Send;
}

/// A subscription.
trait Source: Send + 'static {
    /// The frames that have arrived, at least one.
    fn batch(&mut self) -> impl Future<Output = io::Result<Vec<Bytes>>> + Send;
}

/// Ends what a stream ended.
#[cfg(any(feature = "nats", feature = "redis", feature = "amqp"))]
fn ended() -> io::Error {
    io::Error::other("the subscription has ended")
}

fn frame(number: u64, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + body.len());
    frame.put_u64(number);
    frame.put_slice(body);
    frame.freeze()
}

fn number(frame: &[u8]) -> u64 {
    frame.first_chunk().map_or(EVENT, |number| u64::from_be_bytes(*number))
}

/// Starts the nodes.
pub(super) async fn serve(bus: Bus, namespace: &str) -> io::Result<()> {
    match bus {
        #[cfg(feature = "nats")]
        Bus::Nats => nodes::<nats::Nats>(namespace).await,
        #[cfg(feature = "redis")]
        Bus::Redis => nodes::<redis::Redis>(namespace).await,
        #[cfg(feature = "mqtt")]
        Bus::Mqtt => nodes::<mqtt::Mqtt>(namespace).await,
        #[cfg(feature = "amqp")]
        Bus::Amqp => nodes::<amqp::Amqp>(namespace).await,
        #[cfg(feature = "kafka")]
        Bus::Kafka => nodes::<kafka::Kafka>(namespace).await,
        #[allow(unreachable_patterns, reason = "what is not compiled in")]
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

async fn nodes<W: Wire>(namespace: &str) -> io::Result<()> {
    for n in 1..=NODES {
        let (wire, sources) = W::open(namespace, &[To::Node(n), To::All]).await?;
        let wire = Arc::new(wire);
        for source in sources {
            tokio::spawn(echo(Arc::clone(&wire), source));
        }
    }
    Ok(())
}

async fn echo<W: Wire>(wire: Arc<W>, mut source: W::Source) -> io::Result<()> {
    loop {
        let mut frames = source.batch().await?;
        frames.retain(|frame| number(frame) != EVENT);
        if !frames.is_empty() {
            wire.send(To::Client, &frames).await?;
        }
    }
}

/// The side that makes the load.
pub(crate) trait Drive {
    fn run(&self, load: Load, time: Duration) -> BoxFuture<'_, io::Result<Figures>>;
}

/// Starts it.
pub(super) async fn client(bus: Bus, namespace: &str) -> io::Result<Box<dyn Drive>> {
    Ok(match bus {
        #[cfg(feature = "nats")]
        Bus::Nats => Client::<nats::Nats>::start(namespace).await?,
        #[cfg(feature = "redis")]
        Bus::Redis => Client::<redis::Redis>::start(namespace).await?,
        #[cfg(feature = "mqtt")]
        Bus::Mqtt => Client::<mqtt::Mqtt>::start(namespace).await?,
        #[cfg(feature = "amqp")]
        Bus::Amqp => Client::<amqp::Amqp>::start(namespace).await?,
        #[cfg(feature = "kafka")]
        Bus::Kafka => Client::<kafka::Kafka>::start(namespace).await?,
        #[allow(unreachable_patterns, reason = "what is not compiled in")]
        _ => return Err(io::ErrorKind::Unsupported.into()),
    })
}

/// The waiting caller of a number, and for how many nodes it waits.
#[derive(Default)]
struct Waiting(Mutex<HashMap<u64, (usize, oneshot::Sender<()>)>>);

impl Waiting {
    fn add(&self, number: u64, nodes: usize) -> oneshot::Receiver<()> {
        let (done, waiter) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (nodes, done));
        waiter
    }

    fn came_back(&self, frames: &[Bytes]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            let number = number(frame);
            let Some((missing, _)) = waiting.get_mut(&number) else { continue };
            *missing -= 1;
            if *missing == 0
                && let Some((_, done)) = waiting.remove(&number)
            {
                // The caller may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}

struct Shared<W> {
    wire: W,
    waiting: Waiting,
    number: AtomicU64,
}

impl<W: Wire> Shared<W> {
    fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    async fn call(&self, body: &[u8]) -> io::Result<()> {
        let number = self.number();
        let answered = self.waiting.add(number, 1);
        self.wire.send(To::Node(1), &[frame(number, body)]).await?;
        answered.await.map_err(io::Error::other)
    }

    /// Sends a window of events.
    async fn window(&self, event: &Bytes, nodes: usize) -> io::Result<u64> {
        let number = self.number();
        let arrived = self.waiting.add(number, nodes);
        let mut frames = vec![event.clone(); WINDOW];
        frames[WINDOW - 1] = frame(number, &event[8..]);
        self.wire.send(if nodes == 1 { To::Node(1) } else { To::All }, &frames).await?;
        arrived.await.map_err(io::Error::other)?;
        Ok((WINDOW * nodes) as u64)
    }
}

struct Client<W>(Arc<Shared<W>>);

impl<W: Wire> Client<W> {
    async fn start(namespace: &str) -> io::Result<Box<dyn Drive>> {
        let (wire, sources) = W::open(namespace, &[To::Client]).await?;
        let shared =
            Arc::new(Shared { wire, waiting: Waiting::default(), number: AtomicU64::new(EVENT + 1) });
        for mut source in sources {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                loop {
                    match source.batch().await {
                        Ok(frames) => shared.waiting.came_back(&frames),
                        // Otherwise nobody would notice, and callers would wait for ever.
                        Err(error) => {
                            eprintln!("the client's subscription: {error}");
                            std::process::exit(1);
                        }
                    }
                }
            });
        }
        Ok(Box::new(Self(shared)))
    }
}

impl<W: Wire> Drive for Client<W> {
    fn run(&self, load: Load, time: Duration) -> BoxFuture<'_, io::Result<Figures>> {
        let shared = Arc::clone(&self.0);
        match load {
            Load::Calls { size, concurrency } => {
                let body = body(size);
                let call = move || {
                    let (shared, body) = (Arc::clone(&shared), body.clone());
                    async move { shared.call(&body).await }
                };
                Box::pin(closed_loop::calls(call, concurrency, time))
            }
            Load::Events { size, nodes } => {
                let event = frame(EVENT, &body(size + ENVELOPE));
                let window = move || {
                    let (shared, event) = (Arc::clone(&shared), event.clone());
                    async move { shared.window(&event, nodes).await }
                };
                Box::pin(closed_loop::events(window, time))
            }
        }
    }
}
