//! A node without a broker: it connects, sends, and records what it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ligand_transporters::{
    Batch, Connection, FrameBuf, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink, Subscription,
    TransportError, Transporter, Up,
};

/// What a node has been told.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) frames: Vec<(PacketKind, bytes::Bytes)>,
    pub(crate) ups: Vec<Up>,
    pub(crate) downs: usize,
    /// Why, each time.
    pub(crate) reasons: Vec<String>,
    pub(crate) refused: Vec<String>,
    /// Why, each time.
    pub(crate) deaf: Vec<String>,
    pub(crate) dropped: Vec<PacketKind>,
    /// Tokens of frames that were certainly not sent.
    pub(crate) unsent: Vec<u64>,
}

#[derive(Debug, Default)]
struct Recorder(Mutex<Log>);

impl Sink for Recorder {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            self.0.lock().unwrap().frames.push((frame.kind, frame.payload));
        }
    }

    fn up(&self, how: Up) {
        self.0.lock().unwrap().ups.push(how);
    }

    fn down(&self, why: &TransportError) {
        let mut log = self.0.lock().unwrap();
        log.downs += 1;
        log.reasons.push(why.to_string());
    }

    fn refused(&self, why: &TransportError) {
        self.0.lock().unwrap().refused.push(why.to_string());
    }

    fn deaf(&self, why: &TransportError) {
        self.0.lock().unwrap().deaf.push(why.to_string());
    }

    fn unsent(&self, tokens: &[u64]) {
        self.0.lock().unwrap().unsent.extend(tokens);
    }

    fn dropped(&self, kind: PacketKind) {
        self.0.lock().unwrap().dropped.push(kind);
    }
}

/// A connected node.
pub(crate) struct Node {
    pub(crate) live: Arc<dyn Connection>,
    pub(crate) link: Link,
    recorder: Arc<Recorder>,
}

impl Node {
    /// Connects a node of a namespace of its own.
    pub(crate) async fn connect(
        transporter: &dyn Transporter,
        namespace: &str,
        id: &str,
    ) -> Result<Self, TransportError> {
        let recorder = Arc::new(Recorder::default());
        let options = LinkOptions::new(NodeId::new(id).unwrap(), namespace);
        let link = Link::new(options, Arc::clone(&recorder) as _);
        let live = transporter.connect(link.clone()).await?;
        Ok(Self { live, link, recorder })
    }

    pub(crate) async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        self.live.subscribe(to).await
    }

    pub(crate) fn send(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        self.send_named(to, kind, 0, payload)
    }

    /// The same with a token by which it is told if the frame was not sent.
    pub(crate) fn send_named(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.live.send(to, kind, token, &mut |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        })
    }

    pub(crate) fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.recorder.0.lock().unwrap())
    }

    /// Waits until what the node has been told fulfils a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Log) -> bool) {
        let waiting = async {
            while !self.log(&condition) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        assert!(
            waited.is_ok(),
            "not within 30 s: {what}; {:?}",
            self.log(|log| (log.downs, log.ups.clone()))
        );
    }

    /// Disconnects and ends every task.
    pub(crate) async fn stop(self) {
        self.live.close().await.unwrap();
        self.link.shut().await;
    }
}
