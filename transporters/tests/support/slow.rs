//! What every transporter must do for a node that is slow.

use ligand_transporters::{
    Batch, Connection, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink, Subscription,
    Transporter,
};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tests_support::Node;
use tokio::sync::watch;

/// How often something happened to frames of a kind.
type Counts = HashMap<PacketKind, usize>;

#[derive(Debug, Default)]
struct Told {
    handled: Counts,
    /// Of those handled, the requests that are to be answered `QueueIsFull`.
    shed: usize,
    dropped: Counts,
    /// The handler of [`BLOCKS`] has begun.
    blocked: bool,
}

impl Told {
    fn handled(&self, kind: PacketKind) -> usize {
        self.handled.get(&kind).copied().unwrap_or_default()
    }

    fn dropped(&self, kind: PacketKind) -> usize {
        self.dropped.get(&kind).copied().unwrap_or_default()
    }
}

/// The payload whose handler blocks its thread.
const BLOCKS: &str = "blocks";

#[derive(Debug, Default)]
struct Log {
    told: watch::Sender<Told>,
    /// It does not get round to anything.
    standing: Mutex<bool>,
    /// Whether the handler of [`BLOCKS`] may return.
    released: Mutex<bool>,
    release: Condvar,
}

impl Sink for Log {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while !*self.standing.lock().unwrap()
            && let Some(frame) = batch.next()
        {
            if frame.payload == BLOCKS {
                self.told.send_modify(|told| told.blocked = true);
                let released = self.released.lock().unwrap();
                drop(self.release.wait_while(released, |released| !*released).unwrap());
            }
            self.told.send_modify(|told| {
                *told.handled.entry(frame.kind).or_default() += 1;
                told.shed += usize::from(frame.shed);
            });
        }
    }

    fn dropped(&self, kind: PacketKind) {
        self.told.send_modify(|told| *told.dropped.entry(kind).or_default() += 1);
    }
}

/// A node that may be slow. It is let go of when this is dropped.
struct Slow {
    live: Arc<dyn Connection>,
    link: Link,
    log: Arc<Log>,
}

impl Slow {
    async fn join(transporter: &dyn Transporter, namespace: &str) -> Self {
        let log = Arc::new(Log::default());
        let link =
            Link::new(LinkOptions::new(NodeId::new("slow-one").unwrap(), namespace), Arc::clone(&log) as _);
        let live = transporter.connect(link.clone()).await.unwrap();
        let own = [PacketKind::Event, PacketKind::Request].map(Subscription::Own);
        live.subscribe(&own).await.unwrap();
        live.subscribe(&[Subscription::Broadcast(PacketKind::Heartbeat)]).await.unwrap();
        Self { live, link, log }
    }

    fn stand(&self, standing: bool) {
        *self.log.standing.lock().unwrap() = standing;
    }

    async fn until(&self, what: &str, condition: impl FnMut(&Told) -> bool) {
        let mut told = self.log.told.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(30), told.wait_for(condition)).await;
        assert!(waited.is_ok(), "not within 30 s: {what}; {:?}", *self.log.told.borrow());
    }

    async fn stop(self) {
        self.live.close().await.unwrap();
        self.link.shut().await;
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        *self.log.released.lock().unwrap() = true;
        self.log.release.notify_all();
    }
}

async fn push(from: &Node, to: &Route, kind: PacketKind, payload: &str) {
    while let Err(why) = from.send(to, kind, payload.as_bytes()) {
        assert_eq!(why, SendError::Full);
        from.live.room(to).await;
    }
}

fn to_slow() -> Route {
    Route::Node { id: NodeId::new("slow-one").unwrap(), addr: None }
}

const EVENTS: usize = 5000;
const REQUESTS: usize = 400;
const HEARTBEATS: usize = 10;

/// When frames are given up that are too many for a node that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// While it stands still.
    AtOnce,
    /// When it goes on: so far they stay with the server.
    Later,
    /// As [`Self::Later`], but the client library has bounds, too, and does not tell of each frame: of
    /// requests it may leave none.
    Unseen,
}

/// A node that stands still is sent far more than may wait for it. Events are given up and counted first,
/// then requests are marked to be refused and given up in the end; heartbeats never are.
///
/// `make` gets a query for the URL.
pub(crate) async fn a_slow_node_gives_up_events_first(
    make: impl Fn(&str) -> Arc<dyn Transporter>,
    namespace: &str,
    excess: Excess,
) {
    use PacketKind::{Event, Heartbeat, Request};
    let slow = Slow::join(&*make("receiveBufferFrames=100"), namespace).await;
    let fast = Node::connect(&*make(""), namespace, "fast").await.unwrap();
    slow.stand(true);
    for number in 0..EVENTS {
        push(&fast, &to_slow(), Event, "{}").await;
        if number % (EVENTS / HEARTBEATS) == 0 {
            push(&fast, &Route::Broadcast, Heartbeat, "{}").await;
        }
    }
    if excess == Excess::AtOnce {
        slow.until("events are given up", |told| told.dropped(Event) > EVENTS / 2).await;
    }
    for _ in 0..REQUESTS {
        push(&fast, &to_slow(), Request, "{}").await;
    }
    if excess == Excess::AtOnce {
        slow.until("requests are given up", |told| told.dropped(Request) > 0).await;
    }
    fast.stop().await;
    slow.stand(false);
    slow.until("each frame is handled or counted", |told| {
        let all = told.handled(Event) + told.dropped(Event) == EVENTS
            && told.handled(Request) + told.dropped(Request) == REQUESTS;
        told.handled(Heartbeat) == HEARTBEATS && (all || excess == Excess::Unseen && told.dropped(Event) > 0)
    })
    .await;
    let log = Arc::clone(&slow.log);
    slow.stop().await;
    let told = log.told.borrow();
    assert!(told.handled(Event) < EVENTS / 2 && told.dropped(Event) > 0, "{told:?}");
    if excess != Excess::Unseen {
        assert!(told.shed > 0, "{told:?}");
        assert!(told.handled(Request) * EVENTS > told.handled(Event) * REQUESTS, "events first: {told:?}");
    }
    assert_eq!(told.dropped(Heartbeat), 0, "{told:?}");
}

/// While the handler of an event blocks its thread, heartbeats and everything else are handled. Needs a
/// runtime of several threads.
pub(crate) async fn a_handler_that_blocks_holds_nothing_up(
    make: impl Fn(&str) -> Arc<dyn Transporter>,
    namespace: &str,
) {
    use PacketKind::{Event, Heartbeat};
    let slow = Slow::join(&*make(""), namespace).await;
    // On a thread of its own, as a node does it: whoever blocks may be the one that watches the clock and the
    // sockets for its runtime.
    let link = slow.link.clone();
    let watchdog = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(link.watchdog());
    });
    let fast = Node::connect(&*make(""), namespace, "fast").await.unwrap();
    // What wakes up in the same turn may lie in the slot of the blocked thread, from which tokio lets no other
    // thread take a task. So nothing is under way when it begins, and the rest comes after it has begun.
    push(&fast, &Route::Broadcast, Heartbeat, "{}").await;
    push(&fast, &to_slow(), Event, "before").await;
    slow.until("the first of each kind is handled", |told| {
        told.handled(Heartbeat) == 1 && told.handled(Event) == 1
    })
    .await;
    push(&fast, &to_slow(), Event, BLOCKS).await;
    slow.until("the handler blocks", |told| told.blocked).await;
    for _ in 0..HEARTBEATS {
        push(&fast, &Route::Broadcast, Heartbeat, "{}").await;
        push(&fast, &to_slow(), Event, "after").await;
    }
    slow.until("all but the one that blocks are handled", |told| {
        told.handled(Heartbeat) == 1 + HEARTBEATS && told.handled(Event) == 1 + HEARTBEATS
    })
    .await;
    *slow.log.released.lock().unwrap() = true;
    slow.log.release.notify_all();
    slow.until("that one, too", |told| told.handled(Event) == HEARTBEATS + 2).await;
    fast.stop().await;
    slow.stop().await;
    watchdog.join().unwrap();
}
