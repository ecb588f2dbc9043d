//! What tests may do to an in-memory network, in paused time.

use ligand_transporters::memory::{Faults, Network, Options};
use ligand_transporters::{
    Batch, Connection, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Sink, Subscription,
    TransportError, Transporter as _, Up, transporter_for,
};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const EVENT: PacketKind = PacketKind::Event;

/// What a node saw: frames with the time since the start, `up`, `again` and `down`.
#[derive(Debug)]
struct Log {
    start: Instant,
    seen: Mutex<Vec<(Duration, String)>>,
}

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push((self.start.elapsed(), what.into()));
    }
}

impl Sink for Log {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            self.note(String::from_utf8(frame.payload.to_vec()).unwrap());
        }
    }

    fn up(&self, how: Up) {
        self.note(if how == Up::First { "up" } else { "again" });
    }

    fn down(&self, _why: &TransportError) {
        self.note("down");
    }
}

struct Node {
    live: Arc<dyn Connection>,
    log: Arc<Log>,
}

impl Node {
    async fn join(network: &Network, id: &str) -> Self {
        let log = Arc::new(Log { start: Instant::now(), seen: Mutex::default() });
        let link = Link::new(LinkOptions::new(NodeId::new(id).unwrap(), ""), Arc::clone(&log) as _);
        let node = Self { live: network.transporter().connect(link).await.unwrap(), log };
        node.subscribe().await.unwrap();
        node
    }

    async fn subscribe(&self) -> Result<(), TransportError> {
        self.live.subscribe(&[Subscription::Own(EVENT), Subscription::Broadcast(EVENT)]).await
    }

    fn send(&self, to: &str, text: &str) -> Result<(), SendError> {
        let to = match to {
            "*" => Route::Broadcast,
            id => Route::Node { id: NodeId::new(id).unwrap(), addr: None },
        };
        self.live.send(&to, EVENT, 0, &mut |frame| {
            frame.buf().extend_from_slice(text.as_bytes());
            Ok(())
        })
    }

    /// All that it saw, once every frame under way has arrived. Paused time makes it wait for that
    /// alone: the clock moves only when nothing else is left to do.
    async fn saw(&self) -> Vec<String> {
        sleep(Duration::from_secs(60)).await;
        self.log.seen.lock().unwrap().iter().map(|(_, what)| what.clone()).collect()
    }
}

async fn pair(network: &Network) -> (Node, Node) {
    (Node::join(network, "a").await, Node::join(network, "b").await)
}

fn ms(range: Range<u64>) -> Range<Duration> {
    Duration::from_millis(range.start)..Duration::from_millis(range.end)
}

#[tokio::test(start_paused = true)]
async fn a_partition_loses_frames_both_ways_until_it_is_repaired() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    let c = Node::join(&network, "c").await;
    network.partition("a", "b");
    a.send("b", "1").unwrap();
    b.send("a", "2").unwrap();
    a.send("*", "3").unwrap();
    network.repair("b", "a");
    a.send("b", "4").unwrap();
    b.send("a", "5").unwrap();
    assert_eq!(a.saw().await, ["up", "3", "5"]);
    assert_eq!(b.saw().await, ["up", "4"]);
    assert_eq!(c.saw().await, ["up", "3"]);
    assert_eq!(network.counts().lost, 3);
}

#[tokio::test(start_paused = true)]
async fn a_cut_loses_frames_one_way() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    network.cut("a", "b");
    a.send("b", "1").unwrap();
    b.send("a", "2").unwrap();
    network.repair_all();
    a.send("b", "3").unwrap();
    assert_eq!(a.saw().await, ["up", "2"]);
    assert_eq!(b.saw().await, ["up", "3"]);
}

#[tokio::test(start_paused = true)]
async fn held_frames_wait_and_go_on_in_order_when_released() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    let c = Node::join(&network, "c").await;
    network.hold("a", "b");
    a.send("b", "1").unwrap();
    a.send("b", "2").unwrap();
    c.send("b", "from c").unwrap();
    assert_eq!(b.saw().await, ["up", "from c"]);
    network.release("a", "b");
    a.send("b", "3").unwrap();
    assert_eq!(b.saw().await, ["up", "from c", "1", "2", "3"]);

    network.hold("a", "b");
    a.send("b", "4").unwrap();
    assert_eq!(b.saw().await.len(), 5);
    network.repair_all();
    assert_eq!(b.saw().await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn held_frames_do_not_overtake_those_that_are_under_way() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    network.set_faults(Faults { delay: ms(50..50), ..Faults::default() });
    a.send("b", "1").unwrap();
    network.set_faults(Faults::default());
    network.hold("a", "b");
    a.send("b", "2").unwrap();
    network.release("a", "b");
    a.send("b", "3").unwrap();
    assert_eq!(b.saw().await, ["up", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn held_frames_are_bounded_like_others_and_the_sender_learns_of_room() {
    let network = Network::with(Options { queue_frames: 4, ..Options::default() });
    let (a, b) = pair(&network).await;
    network.hold("a", "b");
    for text in ["1", "2", "3", "4"] {
        a.send("b", text).unwrap();
    }
    assert_eq!(a.send("b", "5"), Err(SendError::Full));
    a.live.send(&to("b"), PacketKind::Ping, 0, &mut |_| Ok(())).unwrap();
    let to_b = to("b");
    let mut room = a.live.room(&to_b);
    assert!(timeout(Duration::from_secs(1), &mut room).await.is_err());
    network.release("a", "b");
    timeout(Duration::from_secs(1), room).await.unwrap();
    a.send("b", "5").unwrap();
    assert_eq!(b.saw().await, ["up", "1", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_node_is_told_loses_everything_and_has_to_subscribe_again() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    a.send("b", "never read").unwrap();
    network.crash("b");
    a.send("b", "into the void").unwrap();
    assert_eq!(b.send("a", "from the void"), Err(SendError::Disconnected));
    assert!(matches!(b.subscribe().await, Err(TransportError::Lost(_))));
    assert_eq!(b.saw().await, ["up", "down"]);
    assert_eq!(a.saw().await, ["up"]);

    network.restore("b");
    assert_eq!(b.saw().await, ["up", "down", "again"]);
    a.send("b", "without a subscription").unwrap();
    b.send("a", "back").unwrap();
    b.subscribe().await.unwrap();
    a.send("b", "hello").unwrap();
    assert_eq!(a.saw().await, ["up", "back"]);
    assert_eq!(b.saw().await, ["up", "down", "again", "hello"]);
}

#[tokio::test(start_paused = true)]
async fn crashes_in_quick_succession_are_told_in_turn() {
    let network = Network::new();
    let (_a, b) = pair(&network).await;
    network.crash("b");
    network.restore("b");
    network.crash("b");
    assert_eq!(b.saw().await, ["up", "down"]);
    network.restore("b");
    network.crash("b");
    network.restore("b");
    assert_eq!(b.saw().await, ["up", "down", "again"]);
    network.crash("b");
    network.restore("b");
    assert_eq!(b.saw().await, ["up", "down", "again", "down", "again"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_cannot_connect_while_it_is_crashed() {
    let network = Network::new();
    network.crash("a");
    let log = Arc::new(Log { start: Instant::now(), seen: Mutex::default() });
    let link = Link::new(LinkOptions::new(NodeId::new("a").unwrap(), ""), log);
    let error = network.transporter().connect(link).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    network.restore("a");
    Node::join(&network, "a").await;
}

#[tokio::test(start_paused = true)]
async fn a_fixed_delay_is_kept_to_the_millisecond() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    network.set_faults_between("a", "b", Faults { delay: ms(30..30), ..Faults::default() });
    a.send("b", "slow").unwrap();
    b.send("a", "fast").unwrap();
    sleep(Duration::from_millis(10)).await;
    a.send("b", "next").unwrap();
    b.saw().await;
    let at = |node: &Node, n: usize| node.log.seen.lock().unwrap()[n].0.as_millis();
    assert_eq!([at(&b, 1), at(&b, 2), at(&a, 1)], [30, 40, 0]);
    network.set_faults_between("a", "b", None);
    a.send("b", "at once").unwrap();
    tokio::task::yield_now().await;
    assert_eq!(b.log.seen.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn loss_and_duplication_take_about_their_share() {
    let network = Network::seeded(1);
    let (a, b) = pair(&network).await;
    network.set_faults(Faults { loss: 0.2, duplicate: 0.1, ..Faults::default() });
    for n in 0..10_000 {
        a.send("b", &n.to_string()).unwrap();
    }
    let arrived = b.saw().await.len() - 1;
    let counts = network.counts();
    assert_eq!(arrived as u64, 10_000 - counts.lost + counts.duplicated);
    assert!((1_800..2_200).contains(&counts.lost), "{counts:?}");
    assert!((700..900).contains(&counts.duplicated), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn reordering_lets_later_frames_overtake_and_loses_none() {
    let network = Network::seeded(1);
    let (a, b) = pair(&network).await;
    network.set_faults(Faults { reorder: 0.1, ..Faults::default() });
    let sent: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
    for text in &sent {
        a.send("b", text).unwrap();
    }
    let mut arrived = b.saw().await;
    arrived.retain(|what| what != "up");
    assert_ne!(arrived, sent);
    arrived.sort();
    assert_eq!(arrived, sent);
}

#[tokio::test(start_paused = true)]
async fn a_node_reaches_itself_whatever_happens_outside() {
    let network = Network::new();
    let a = Node::join(&network, "a").await;
    network.set_faults(Faults { loss: 1.0, ..Faults::default() });
    a.send("a", "to myself").unwrap();
    assert_eq!(a.saw().await, ["up", "to myself"]);
}

#[tokio::test(start_paused = true)]
async fn frames_nobody_wants_are_dropped_and_counted() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    a.send("nobody", "1").unwrap();
    b.live.unsubscribe(&[Subscription::Own(EVENT)]).await.unwrap();
    a.send("b", "2").unwrap();
    b.live.close().await.unwrap();
    drop(b);
    a.send("b", "3").unwrap();
    assert_eq!(network.counts().unrouted, 3);
    assert_eq!(network.nodes(), [NodeId::new("a").unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_not_stopped_by_one_full_queue() {
    let network = Network::with(Options { queue_frames: 1, ..Options::default() });
    let (a, b) = pair(&network).await;
    network.hold("a", "b");
    a.send("b", "1").unwrap();
    a.send("*", "2").unwrap();
    assert_eq!(network.counts().overflowed, 1);
    assert_eq!(a.saw().await, ["up", "2"]);
    network.release("a", "b");
    assert_eq!(b.saw().await, ["up", "1"]);
}

#[tokio::test(start_paused = true)]
async fn two_nodes_with_one_id_both_receive_as_on_any_bus() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    let twin = Node::join(&network, "b").await;
    a.send("b", "1").unwrap();
    assert_eq!(b.saw().await, ["up", "1"]);
    assert_eq!(twin.saw().await, ["up", "1"]);
}

#[tokio::test(start_paused = true)]
async fn overlapping_patterns_of_a_group_are_one_delivery() {
    let network = Network::new();
    let (a, b) = pair(&network).await;
    let c = Node::join(&network, "c").await;
    let covers = |event: &str| Subscription::BalancedEvent { event: event.into(), group: "mail".into() };
    b.live.subscribe(&[covers("order.created"), covers("order.*"), covers("**")]).await.unwrap();
    c.live.subscribe(&[covers("order.**"), covers("user.*")]).await.unwrap();
    let emit = |event: &str| {
        let to = Route::BalancedEvent { event: event.into(), group: "mail".into() };
        a.live
            .send(&to, EVENT, 0, &mut |frame| {
                frame.buf().extend_from_slice(event.as_bytes());
                Ok(())
            })
            .unwrap();
    };
    for _ in 0..8 {
        emit("order.created");
    }
    let (at_b, at_c) = (b.saw().await.len() - 1, c.saw().await.len() - 1);
    assert_eq!(at_b + at_c, 8);
    assert!(at_b > 0 && at_c > 0);
    emit("payment.made");
    assert_eq!(b.saw().await.last().unwrap(), "payment.made");
}

#[tokio::test]
async fn a_url_names_a_network_that_lives_as_long_as_its_users() {
    let network = Network::named("shared-by-url");
    let by_url = transporter_for("memory://shared-by-url").unwrap();
    network.crash("a");
    let link = |id: &'static str| {
        let log = Arc::new(Log { start: Instant::now(), seen: Mutex::default() });
        Link::new(LinkOptions::new(NodeId::new(id).unwrap(), ""), log)
    };
    assert!(by_url.connect(link("a")).await.is_err());
    let live = by_url.connect(link("b")).await.unwrap();
    assert_eq!(network.nodes().len(), 1);
    drop((network, by_url, live));
    let anew = transporter_for("memory://shared-by-url").unwrap();
    assert!(anew.connect(link("a")).await.is_ok(), "the crash of before is still in force");

    for url in ["memory", "MEMORY", "memory://", "memory://default", "memory://default/"] {
        assert_eq!(transporter_for(url).unwrap().scheme(), "memory");
    }
    for url in ["memory://a/b", "memory://a?b=c", "memory://a b"] {
        let error = transporter_for(url).unwrap_err().to_string();
        assert!(error.contains("the name of an in-memory network"), "{error}");
    }
}

/// What both nodes saw, and when, after a minute of every kind of fault.
fn trace(seed: u64) -> Vec<Vec<(Duration, String)>> {
    paused(async {
        let network = Network::seeded(seed);
        let (a, b) = pair(&network).await;
        network.set_faults(Faults { delay: ms(0..40), loss: 0.1, duplicate: 0.1, reorder: 0.1 });
        for n in 0..600 {
            a.send("b", &n.to_string()).unwrap();
            let _ = b.send("a", &n.to_string());
            match n {
                100 => network.hold("a", "b"),
                200 => network.release("a", "b"),
                300 => network.partition("a", "b"),
                350 => network.repair("a", "b"),
                400 => network.crash("b"),
                450 => {
                    network.restore("b");
                    b.subscribe().await.unwrap();
                }
                _ => {}
            }
            sleep(Duration::from_millis(7)).await;
        }
        sleep(Duration::from_secs(60)).await;
        [&a, &b].map(|node| node.log.seen.lock().unwrap().clone()).to_vec()
    })
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    let first = trace(42);
    assert!(first.iter().all(|seen| seen.len() > 300), "too little arrived to compare");
    assert_eq!(trace(42), first);
    assert_ne!(trace(43), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn delays_alone_keep_the_order_of_each_pair(
        seed: u64,
        steps in proptest::collection::vec((0u8..3, 0u64..15, 0u64..60), 1..150),
    ) {
        let (sent, seen) = paused(async {
            let network = Network::seeded(seed);
            let (a, b) = pair(&network).await;
            let c = Node::join(&network, "c").await;
            let mut sent = [Vec::new(), Vec::new()];
            for (n, (what, gap, longest)) in steps.into_iter().enumerate() {
                match what {
                    // The delays change while frames are under way, down to none at all.
                    0 => network.set_faults(Faults { delay: ms(0..longest), ..Faults::default() }),
                    from => {
                        let text = format!("{from}:{n}");
                        [&a, &c][usize::from(from) - 1].send("b", &text).unwrap();
                        sent[usize::from(from) - 1].push(text);
                    }
                }
                sleep(Duration::from_millis(gap)).await;
            }
            (sent, b.saw().await)
        });
        for (sent, from) in sent.iter().zip(["1:", "2:"]) {
            let seen: Vec<_> = seen.iter().filter(|what| what.starts_with(from)).collect();
            prop_assert_eq!(sent.iter().collect::<Vec<_>>(), seen);
        }
    }
}

fn to(id: &str) -> Route {
    Route::Node { id: NodeId::new(id).unwrap(), addr: None }
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}
