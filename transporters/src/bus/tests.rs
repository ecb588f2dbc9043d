//! Tests of sessions with servers that come and go. The client only records what it is asked to do.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

use super::{BusLimits, Client, Parcel, Port, Session};
use crate::{
    Batch, Connection, Frame, FrameBuf, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink,
    Subscription, Topics, TransportError, Up,
};

/// What the servers saw.
#[derive(Debug, Default)]
struct Record {
    opened: Vec<usize>,
    /// Subscriptions made in each session.
    subscribed: Vec<Vec<Subscription>>,
    published: Vec<Bytes>,
}

#[derive(Debug)]
struct Fake {
    servers: usize,
    record: Arc<Mutex<Record>>,
    /// Whether servers answer.
    up: watch::Sender<bool>,
    /// Whether they take frames.
    flowing: watch::Sender<bool>,
    /// Whether they report that they take none.
    polite: Arc<AtomicBool>,
    /// The subscription that they refuse. A session that has it already is told so.
    denied: watch::Sender<Option<Subscription>>,
    sessions: Arc<AtomicUsize>,
}

struct FakeSession {
    record: Arc<Mutex<Record>>,
    number: usize,
    up: watch::Receiver<bool>,
    flowing: watch::Receiver<bool>,
    polite: Arc<AtomicBool>,
    denied: watch::Receiver<Option<Subscription>>,
    sessions: Arc<AtomicUsize>,
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Client for Arc<Fake> {
    type Topic = String;
    type Session = FakeSession;

    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<String, &'static str> {
        let topic = topics.to(to, kind);
        if topic.contains(' ') { Err("a fake topic has no blanks") } else { Ok(topic) }
    }

    fn servers(&self) -> usize {
        self.servers
    }

    fn server(&self, number: usize) -> String {
        format!("fake://{number}")
    }

    async fn open(&self, server: usize, _port: &Port) -> Result<FakeSession, TransportError> {
        let mut record = self.record.lock().unwrap();
        record.opened.push(server);
        if !*self.up.borrow() {
            return Err(TransportError::connect(self.server(server), "it is down"));
        }
        record.subscribed.push(Vec::new());
        self.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(FakeSession {
            record: Arc::clone(&self.record),
            number: record.subscribed.len() - 1,
            up: self.up.subscribe(),
            flowing: self.flowing.subscribe(),
            polite: Arc::clone(&self.polite),
            denied: self.denied.subscribe(),
            sessions: Arc::clone(&self.sessions),
        })
    }
}

#[async_trait]
impl Session for FakeSession {
    type Topic = String;

    fn max_frame(&self) -> usize {
        1000
    }

    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        if self.denied.borrow().as_ref().is_some_and(|denied| to.contains(denied)) {
            return Err(TransportError::subscribe("denied", "no"));
        }
        self.record.lock().unwrap().subscribed[self.number].extend(to.iter().cloned());
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        self.record.lock().unwrap().subscribed[self.number].retain(|one| !from.contains(one));
        Ok(())
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<String>>) -> Result<(), TransportError> {
        let mut flowing = self.flowing.clone();
        flowing.wait_for(|flowing| *flowing).await.map_err(|_| TransportError::Closed)?;
        let payloads = parcels.drain(..).map(|parcel| parcel.payload);
        self.record.lock().unwrap().published.extend(payloads);
        Ok(())
    }

    fn held_back(&self) -> bool {
        self.polite.load(Ordering::SeqCst) && !*self.flowing.borrow()
    }

    async fn lost(&self) -> TransportError {
        // An error says that the test is over.
        let _ = self.up.clone().wait_for(|up| !*up).await;
        TransportError::Lost("it went down".to_owned())
    }

    async fn deaf(&self) -> TransportError {
        // An error says that the test is over.
        let _ = self.denied.clone().wait_for(Option::is_some).await;
        TransportError::refused("denied", "no more")
    }

    async fn close(&self) -> Result<(), TransportError> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Log {
    ups: Mutex<Vec<Up>>,
    downs: AtomicUsize,
    deaf: AtomicUsize,
    refused: Mutex<Vec<String>>,
    unsent: Mutex<Vec<u64>>,
}

impl Sink for Log {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while batch.next().is_some() {}
    }

    fn unsent(&self, tokens: &[u64]) {
        self.unsent.lock().unwrap().extend(tokens);
    }

    fn up(&self, how: Up) {
        self.ups.lock().unwrap().push(how);
    }

    fn down(&self, _why: &TransportError) {
        self.downs.fetch_add(1, Ordering::SeqCst);
    }

    fn deaf(&self, _why: &TransportError) {
        self.deaf.fetch_add(1, Ordering::SeqCst);
    }

    fn refused(&self, why: &TransportError) {
        self.refused.lock().unwrap().push(why.to_string());
    }
}

struct World {
    fake: Arc<Fake>,
    log: Arc<Log>,
    link: Link,
    live: Arc<dyn Connection>,
}

impl World {
    async fn new(servers: usize) -> Self {
        let fake = Arc::new(Fake {
            servers,
            record: Arc::default(),
            up: watch::channel(true).0,
            flowing: watch::channel(true).0,
            polite: Arc::default(),
            denied: watch::channel(None).0,
            sessions: Arc::default(),
        });
        let log = Arc::new(Log::default());
        let link = Link::new(LinkOptions::new(NodeId::new("me").unwrap(), ""), Arc::clone(&log) as _);
        let live = super::open(Arc::clone(&fake), link.clone(), BusLimits::default()).await.unwrap();
        Self { fake, log, link, live }
    }

    fn send(&self, token: u64) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(&token.to_le_bytes());
            Ok(())
        };
        self.live.send(&Route::Broadcast, PacketKind::Request, token, &mut write)
    }

    fn record<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.fake.record.lock().unwrap())
    }

    /// Time is paused: as long as something is under way, this takes no time at all.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), waiting).await.expect("it comes true");
    }
}

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);
const PINGS: Subscription = Subscription::Broadcast(PacketKind::Ping);

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_replaced_at_the_next_server_and_subscriptions_are_restored_once() {
    let world = World::new(2).await;
    world.live.subscribe(&[EVENTS, PINGS, EVENTS]).await.unwrap();
    world.live.subscribe(&[EVENTS]).await.unwrap();
    for round in 1..=100 {
        world.fake.up.send_replace(false);
        world.until(|world| world.log.downs.load(Ordering::SeqCst) == round).await;
        assert_eq!(world.send(1), Err(SendError::Disconnected));
        world.live.subscribe(&[PINGS]).await.unwrap();
        world.fake.up.send_replace(true);
        world.until(|world| world.log.ups.lock().unwrap().len() == round + 1).await;
        world.live.subscribe(&[EVENTS, PINGS]).await.unwrap();
        assert_eq!(world.send(1), Ok(()));
    }
    world.record(|record| {
        assert_eq!(record.subscribed.len(), 101);
        assert!(record.subscribed.iter().all(|made| *made == [EVENTS, PINGS]));
        assert!(record.opened.windows(2).all(|two| two[0] != two[1]), "the servers take turns");
    });
    assert_eq!(world.fake.sessions.load(Ordering::SeqCst), 1, "lost sessions are dropped");
    assert!(world.log.ups.lock().unwrap()[1..].iter().all(|how| *how == Up::Again));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_hear_everything_may_say_so_once_and_comes_back_when_it_does() {
    let world = World::new(1).await;
    world.live.subscribe(&[EVENTS, PINGS]).await.unwrap();
    world.fake.denied.send_replace(Some(PINGS));
    world.until(|world| world.log.deaf.load(Ordering::SeqCst) == 1).await;
    // What it has to say leaves by the session that stands.
    world.send(1).unwrap();
    world.until(|world| world.record(|record| record.published.len() == 1)).await;
    world.until(|world| world.log.downs.load(Ordering::SeqCst) == 1).await;
    assert_eq!(world.send(2), Err(SendError::Disconnected));
    // It is tried again, and as long as it is in vain nobody is told that the node is back.
    world.until(|world| world.log.refused.lock().unwrap().len() >= 10).await;
    assert_eq!(world.log.deaf.load(Ordering::SeqCst), 1, "said once");
    assert_eq!(world.log.ups.lock().unwrap().len(), 1);
    world.fake.denied.send_replace(None);
    world.until(|world| world.log.ups.lock().unwrap().len() == 2).await;
    world.record(|record| assert_eq!(record.subscribed.last().unwrap(), &[EVENTS, PINGS]));
    assert_eq!(world.send(3), Ok(()));
    assert_eq!(world.fake.sessions.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_a_subscription_on_return_may_say_so_by_the_session_that_stands() {
    let world = World::new(1).await;
    world.live.subscribe(&[EVENTS, PINGS]).await.unwrap();
    world.fake.up.send_replace(false);
    world.until(|world| world.log.downs.load(Ordering::SeqCst) == 1).await;
    world.fake.denied.send_replace(Some(EVENTS));
    world.fake.up.send_replace(true);
    world.until(|world| world.log.deaf.load(Ordering::SeqCst) == 1).await;
    world.send(1).unwrap();
    world.until(|world| world.record(|record| record.published.len() == 1)).await;
    world.live.close().await.unwrap();
    assert_eq!(world.fake.sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_topic_fails_where_it_is_sent_and_harms_nothing_else() {
    let world = World::new(1).await;
    let to = |action: &str| Route::BalancedRequest { action: action.into() };
    let send = |to: &Route| world.live.send(to, PacketKind::Request, 7, &mut |_| Ok(()));
    for _ in 0..2 {
        assert_eq!(send(&to("a b")), Err(SendError::NoTopic { allowed: "a fake topic has no blanks" }));
        assert_eq!(send(&to("ab")), Ok(()));
    }
    world.until(|world| world.record(|record| record.published.len() == 2)).await;
    assert!(world.log.unsent.lock().unwrap().is_empty());
    assert!(world.log.refused.lock().unwrap()[0].contains("MOL.REQB.a b"));
}

#[tokio::test(start_paused = true)]
async fn what_waited_when_the_session_was_lost_is_reported_and_never_sent() {
    let world = World::new(1).await;
    world.fake.flowing.send_replace(false);
    for token in 1..=600 {
        world.send(token).unwrap();
    }
    tokio::task::yield_now().await;
    world.fake.up.send_replace(false);
    world.until(|world| world.log.downs.load(Ordering::SeqCst) == 1).await;
    world.until(|world| world.log.unsent.lock().unwrap().len() == 600).await;
    world.fake.flowing.send_replace(true);
    world.fake.up.send_replace(true);
    world.until(|world| world.log.ups.lock().unwrap().len() == 2).await;
    world.send(7777).unwrap();
    world.live.close().await.unwrap();
    world.record(|record| assert_eq!(record.published, [Bytes::copy_from_slice(&7777u64.to_le_bytes())]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_for_too_long_is_given_up() {
    let world = World::new(1).await;
    world.fake.flowing.send_replace(false);
    world.send(1).unwrap();
    world.until(|world| world.log.downs.load(Ordering::SeqCst) == 1).await;
    assert_eq!(*world.log.unsent.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_patience_gets_it_but_does_not_hold_up_a_close() {
    let world = World::new(1).await;
    world.fake.polite.store(true, Ordering::SeqCst);
    world.fake.flowing.send_replace(false);
    world.send(1).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.log.downs.load(Ordering::SeqCst), 0);
    world.fake.flowing.send_replace(true);
    world.until(|world| world.record(|record| record.published.len() == 1)).await;

    world.fake.flowing.send_replace(false);
    world.send(2).unwrap();
    assert!(world.live.close().await.is_err());
    assert_eq!(*world.log.unsent.lock().unwrap(), [2]);
}

#[tokio::test(start_paused = true)]
async fn closing_publishes_what_waits_and_is_bounded() {
    let world = World::new(1).await;
    world.send(1).unwrap();
    world.live.close().await.unwrap();
    world.live.close().await.unwrap();
    world.record(|record| assert_eq!(record.published.len(), 1));
    assert_eq!(world.send(2), Err(SendError::Disconnected));

    let stuck = World::new(1).await;
    stuck.fake.flowing.send_replace(false);
    stuck.send(1).unwrap();
    assert!(stuck.live.close().await.is_err());
    assert_eq!(*stuck.log.unsent.lock().unwrap(), [1]);
    stuck.link.shut().await;
    assert_eq!(stuck.fake.sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_while_disconnected_ends_at_once() {
    let world = World::new(1).await;
    world.fake.up.send_replace(false);
    world.until(|world| world.log.downs.load(Ordering::SeqCst) == 1).await;
    world.live.close().await.unwrap();
    world.link.shut().await;
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_session_end_with_it() {
    let log = Arc::new(Log::default());
    let link = Link::new(LinkOptions::new(NodeId::new("me").unwrap(), ""), log as _);
    let port = Port::new(link.clone(), BusLimits::default(), Arc::default());
    let (pump, inbox) = port.inbox();
    port.read(inbox);
    pump.push([Frame::new(PacketKind::Ping, Bytes::new())]);
    port.end();
    link.shut().await;
}

#[test]
fn a_connection_whose_runtime_is_gone_accepts_nothing_and_keeps_no_session() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let world = runtime.block_on(World::new(1));
    world.send(1).unwrap();
    drop(runtime);
    assert_eq!(world.send(2), Err(SendError::Disconnected));
    assert_eq!(world.fake.sessions.load(Ordering::SeqCst), 0, "sessions that are still there");
}
