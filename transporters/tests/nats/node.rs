//! One node and what it was told.

use bytes::Bytes;
use ligand_transporters::nats::Nats;
use ligand_transporters::{
    Batch, Connection, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink, Subscription,
    TransportError, Transporter as _, Up,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What a node was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) frames: Vec<(PacketKind, Bytes)>,
    pub(crate) unsent: Vec<u64>,
    pub(crate) ups: usize,
    pub(crate) downs: Vec<String>,
    pub(crate) refused: Vec<String>,
}

#[derive(Debug, Default)]
struct Log {
    told: Mutex<Told>,
    changed: watch::Sender<()>,
}

impl Log {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap());
        self.changed.send_replace(());
    }
}

impl Sink for Log {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            self.tell(|told| told.frames.push((frame.kind, frame.payload)));
        }
    }

    fn unsent(&self, tokens: &[u64]) {
        self.tell(|told| told.unsent.extend(tokens));
    }

    fn up(&self, _how: Up) {
        self.tell(|told| told.ups += 1);
    }

    fn down(&self, why: &TransportError) {
        self.tell(|told| told.downs.push(why.to_string()));
    }

    fn refused(&self, why: &TransportError) {
        self.tell(|told| told.refused.push(why.to_string()));
    }
}

pub(crate) struct Node {
    pub(crate) live: Arc<dyn Connection>,
    pub(crate) id: NodeId,
    link: Link,
    log: Arc<Log>,
}

impl Node {
    /// A node with an id of its own, so that tests on one server do not meet.
    pub(crate) async fn connect(url: &str) -> Result<Self, TransportError> {
        Self::connect_in(url, "").await
    }

    pub(crate) async fn connect_in(url: &str, namespace: &str) -> Result<Self, TransportError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::connect_as(url, namespace, &format!("node-{}-{number}", std::process::id())).await
    }

    pub(crate) async fn connect_as(url: &str, namespace: &str, id: &str) -> Result<Self, TransportError> {
        let id = NodeId::new(id).unwrap();
        let log = Arc::new(Log::default());
        let link = Link::new(LinkOptions::new(id.clone(), namespace), Arc::clone(&log) as Arc<dyn Sink>);
        let live = Nats::from_url(url)?.connect(link.clone()).await?;
        Ok(Self { live, id, link, log })
    }

    pub(crate) async fn listens(self, to: &[Subscription]) -> Self {
        self.live.subscribe(to).await.unwrap();
        self
    }

    pub(crate) fn route(&self) -> Route {
        Route::Node { id: self.id.clone(), addr: None }
    }

    pub(crate) fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.live.send(to, kind, token, &mut |frame| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        })
    }

    pub(crate) fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.log.told.lock().unwrap())
    }

    /// Waits until it is true of what was told.
    pub(crate) async fn until(&self, condition: impl Fn(&Told) -> bool) {
        let mut changed = self.log.changed.subscribe();
        let waiting = async {
            while !self.told(&condition) {
                changed.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| self.told(|told| panic!("it does not come true: {told:?}")));
    }

    /// Closes the connection and ends all that belongs to it.
    pub(crate) async fn stop(self) {
        self.live.close().await.unwrap();
        self.link.shut().await;
    }
}
