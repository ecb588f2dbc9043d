//! A connected node that keeps what it is told.

use ligand_transporters::amqp::Amqp;
use ligand_transporters::{
    Ack, Batch, Connection, Frame, FrameBuf, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink,
    Subscription, TransportError, Transporter, Up,
};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A namespace of its own for each test, so that none finds queues of another.
pub(crate) fn namespace() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = format!("amqp-{}", std::process::id());
    write!(name, "-{}", COUNT.fetch_add(1, Ordering::Relaxed)).unwrap();
    name
}

/// See [`Node`].
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Kinds and payloads in the order of arrival.
    pub(crate) frames: Vec<(PacketKind, String)>,
    /// Acknowledgements that nobody has given yet, in the order of arrival.
    pub(crate) acks: Vec<Ack>,
    pub(crate) ups: Vec<Up>,
    pub(crate) downs: Vec<String>,
    pub(crate) refused: Vec<String>,
    pub(crate) unsent: Vec<u64>,
}

#[derive(Debug, Default)]
struct Recorder(Mutex<Record>);

impl Sink for Recorder {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(Frame { kind, payload, ack, .. }) = batch.next() {
            let mut record = self.0.lock().unwrap();
            record.frames.push((kind, String::from_utf8_lossy(&payload).into_owned()));
            record.acks.extend(ack);
        }
    }

    fn up(&self, how: Up) {
        self.0.lock().unwrap().ups.push(how);
    }

    fn down(&self, why: &TransportError) {
        self.0.lock().unwrap().downs.push(why.to_string());
    }

    fn refused(&self, why: &TransportError) {
        self.0.lock().unwrap().refused.push(why.to_string());
    }

    fn unsent(&self, tokens: &[u64]) {
        self.0.lock().unwrap().unsent.extend(tokens);
    }
}

/// A node that is connected.
pub(crate) struct Node {
    pub(crate) live: Arc<dyn Connection>,
    recorder: Arc<Recorder>,
    link: Link,
}

impl Node {
    pub(crate) async fn join(url: &str, namespace: &str, id: &str) -> Result<Self, TransportError> {
        let recorder = Arc::new(Recorder::default());
        let link = Link::new(LinkOptions::new(NodeId::new(id).unwrap(), namespace), recorder.clone());
        let live = Amqp::from_url(url)?.connect(link.clone()).await?;
        Ok(Self { live, recorder, link })
    }

    /// Subscribes to what every node does.
    pub(crate) async fn subscribe_all(&self) {
        use PacketKind::{Disconnect, Discover, Event, Heartbeat, Info, Ping, Pong, Request, Response};
        let own = [Event, Request, Response, Discover, Info, Ping, Pong].map(Subscription::Own);
        let all = [Discover, Info, Disconnect, Heartbeat, Ping].map(Subscription::Broadcast);
        self.live.subscribe(&own).await.unwrap();
        self.live.subscribe(&all).await.unwrap();
    }

    pub(crate) fn send(&self, to: &Route, kind: PacketKind, payload: &str) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(payload.as_bytes());
            Ok(())
        };
        self.live.send(to, kind, 7, &mut write)
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&mut Record) -> T) -> T {
        at(&mut self.recorder.0.lock().unwrap())
    }

    /// Payloads of a kind that have arrived.
    pub(crate) fn payloads(&self, kind: PacketKind) -> Vec<String> {
        let of = |record: &mut Record| {
            record.frames.iter().filter(|(one, _)| *one == kind).map(|(_, payload)| payload.clone()).collect()
        };
        self.look(of)
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&mut Record) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.look(&holds) {
            assert!(
                Instant::now() < end,
                "{what}: it did not come true: {:?}",
                self.look(|r| format!("{r:?}"))
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.live.close().await.unwrap();
        self.link.shut().await;
    }
}

pub(crate) fn to(id: &str) -> Route {
    Route::Node { id: NodeId::new(id).unwrap(), addr: None }
}
