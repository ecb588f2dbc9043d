//! A connected node, as the cases see it.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

use super::recorder::{Log, PROBE, Recorder};
use super::{CaseResult, Failure, ensure};
use crate::{
    Connection, FrameBuf, Link, Name, NodeId, PacketKind, Route, SendError, Subscription, TransportError,
};

/// How often a probe is sent again until it arrives.
const PROBE_AGAIN: Duration = Duration::from_millis(100);

static PROBES: AtomicU64 = AtomicU64::new(0);

/// See the module.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) live: Arc<dyn Connection>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) link: Link,
    /// The address to connect to, unless there is a bus.
    pub(super) addr: Option<Name>,
    pub(super) patience: Duration,
}

impl Node {
    /// The route to this node.
    pub(super) fn route(&self) -> Route {
        Route::Node { id: self.id.clone(), addr: self.addr.clone() }
    }

    pub(super) fn send(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        self.send_named(to, kind, 0, payload)
    }

    pub(super) fn send_named(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        };
        self.live.send(to, kind, token, &mut write)
    }

    /// Sends a payload as a body that may be spliced.
    pub(super) fn splice(&self, to: &Route, kind: PacketKind, payload: &Bytes) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.splice(payload);
            Ok(())
        };
        self.live.send(to, kind, 0, &mut write)
    }

    /// Sends, and waits for room if there is none.
    pub(super) async fn push(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> CaseResult {
        let end = Instant::now() + self.patience;
        loop {
            match self.send(to, kind, payload) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) if Instant::now() < end => {
                    // It may never return, or return at once: the loop has its own bound.
                    let _ = timeout(self.patience, self.live.room(to)).await;
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(format!("{} cannot send: {error}", self.id).into()),
            }
        }
    }

    /// Sends probes to a node until one arrives.
    pub(super) async fn reach(&self, to: &Node, kind: PacketKind) -> CaseResult {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let payload = [PROBE, &number.to_le_bytes()].concat();
        let end = Instant::now() + self.patience;
        loop {
            self.push(&to.route(), kind, &payload).await?;
            let arrived = to.until_for(PROBE_AGAIN, "a probe arrives", |log| log.probes.contains(&number));
            if arrived.await.is_ok() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} does not reach {} with {kind:?}", self.id, to.id);
        }
    }

    pub(super) async fn subscribe(&self, to: &[Subscription]) -> CaseResult {
        within(self.patience, "subscribing", self.live.subscribe(to)).await
    }

    pub(super) async fn unsubscribe(&self, from: &[Subscription]) -> CaseResult {
        within(self.patience, "unsubscribing", self.live.unsubscribe(from)).await
    }

    pub(super) async fn close(&self) -> CaseResult {
        within(self.patience, "closing", self.live.close()).await
    }

    /// Waits until the recorder of this node meets a condition.
    pub(super) async fn until(&self, what: &str, condition: impl FnMut(&Log) -> bool) -> CaseResult {
        self.until_for(self.patience, what, condition).await
    }

    async fn until_for(
        &self,
        patience: Duration,
        what: &str,
        condition: impl FnMut(&Log) -> bool,
    ) -> CaseResult {
        let waited = self.recorder.until(patience, what, condition).await;
        waited.map_err(|why| format!("{} at {}", why, self.id).into())
    }

    /// Waits for `count` frames of a kind; there may be more.
    pub(super) async fn receives(&self, kind: PacketKind, count: usize) -> CaseResult {
        let result = self.until("frames arrive", |log| log.of(kind).count() >= count).await;
        let have = self.recorder.log().of(kind).count();
        result.map_err(|why| format!("{why}: {have} of {count} {kind:?}").into())
    }

    /// Waits for a text, then compares all texts of that kind with what is expected.
    pub(super) async fn receives_exactly(&self, kind: PacketKind, texts: &[&str]) -> CaseResult {
        if let Some(last) = texts.last() {
            let seen = |log: &Log| log.of(kind).any(|payload| payload == last.as_bytes());
            self.until(&format!("`{last}` arrives"), seen).await?;
        }
        let have = self.recorder.texts(kind);
        ensure!(have == texts, "{} received {have:?} instead of {texts:?}", self.id);
        Ok(())
    }

    /// Closes the connection and ends its tasks.
    pub(super) async fn stop(&self) -> CaseResult {
        self.recorder.open();
        // A case may have broken it on purpose. Here it only has to end.
        let closed = timeout(self.patience, self.live.close()).await;
        let shut = timeout(self.patience, self.link.shut()).await;
        closed.map(drop).and(shut).map_err(|_| Failure::from(format!("{} does not end", self.id)))
    }
}

async fn within(
    patience: Duration,
    what: &str,
    doing: impl Future<Output = Result<(), TransportError>>,
) -> CaseResult {
    Ok(timeout(patience, doing).await.map_err(|_| format!("{what} takes longer than {patience:?}"))??)
}
