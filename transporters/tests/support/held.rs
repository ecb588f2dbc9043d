//! What is sent while the server stands still, and a client library may hold on to, does not come when the
//! server goes on.

use std::sync::Arc;
use std::time::Duration;

use ligand_transporters::{PacketKind, Route, SendError, Subscription, Transporter};
use tests_support::Node;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Proxy, address, at};

/// How long frames may be held by default.
pub(crate) const HOLD: Duration = Duration::from_secs(5);
/// How much later than it should be a loss may be noticed on a busy machine.
const SLACK: Duration = Duration::from_millis(500);

/// What a sleep may take longer on any machine.
const TICK: Duration = Duration::from_millis(5);

/// One who sends through a proxy, and one who listens without.
struct Stage {
    proxy: Proxy,
    sender: Node,
    listener: Node,
    to: Route,
}

impl Stage {
    /// All is well at first; then the server stands still.
    async fn frozen(
        proxy: fn(&str) -> Proxy,
        server: &str,
        namespace: &str,
        make: impl Fn(&str) -> Arc<dyn Transporter>,
    ) -> Self {
        let proxy = proxy(address(server));
        // Of its own, like the proxy's port.
        let port = proxy.address().rsplit_once(':').unwrap().1.to_owned();
        let namespace = format!("{namespace}-{}-{port}", std::process::id());
        let listener = Node::connect(&*make(server), &namespace, "listener").await.unwrap();
        let sender =
            Node::connect(&*make(&at(server, &proxy.address())), &namespace, "sender").await.unwrap();
        let all = [PacketKind::Event, PacketKind::Request].map(Subscription::Own);
        listener.subscribe(&all).await.unwrap();
        sender.subscribe(&all).await.unwrap();
        let to = listener.route();
        let stage = Self { proxy, sender, listener, to };
        stage.passes("before").await;
        stage.proxy.freeze();
        stage
    }

    fn send(&self, text: &str) -> Result<(), SendError> {
        self.sender.send(&self.to, PacketKind::Event, text.as_bytes())
    }

    async fn passes(&self, text: &str) {
        self.send(text).unwrap();
        let came = |log: &tests_support::Log| log.frames.iter().any(|(_, payload)| payload == text);
        self.listener.until(&format!("`{text}` arrives"), came).await;
    }

    /// The server goes on, and the connection comes back.
    async fn thaw(&self) {
        self.proxy.restore();
        self.sender.until("it is back", |log| log.ups.len() == 2).await;
    }

    /// Nothing of what was sent meanwhile has come.
    async fn end(self) {
        // What comes before these on any connection has come when they have.
        self.passes("after").await;
        self.passes("end").await;
        let late = self.listener.log(|log| {
            let texts = log.frames.iter().map(|(_, payload)| String::from_utf8_lossy(payload).into_owned());
            texts.filter(|text| text.starts_with("late")).collect::<Vec<_>>()
        });
        assert!(late.is_empty(), "{late:?}");
        self.sender.stop().await;
        self.listener.stop().await;
    }
}

/// A server that stands still is given up before anything has been held for longer than `hold`, and gets
/// nothing of it when it goes on.
pub(crate) async fn nothing_arrives_late(
    proxy: fn(&str) -> Proxy,
    server: &str,
    namespace: &str,
    hold: Duration,
    make: impl Fn(&str) -> Arc<dyn Transporter>,
) {
    let stage = Stage::frozen(proxy, server, namespace, make).await;
    let mut end = Instant::now() + hold + SLACK;
    let (mut sent, pause) = (0, hold / 50);
    while stage.send(&format!("late {sent}")) == Ok(()) && Instant::now() < end {
        sent += 1;
        // As a caller does that is not in a hurry: no queue is full.
        let from = Instant::now();
        sleep(pause).await;
        // While the machine stood still, nobody could look at the clock.
        end += from.elapsed().saturating_sub(pause + TICK);
    }
    let lost = stage.sender.log(|log| log.downs.len());
    assert_eq!(lost, 1, "after {hold:?} and {sent} frames: {:?}", stage.sender.log(|log| log.downs.clone()));
    assert_eq!(stage.send("late"), Err(SendError::Disconnected));
    sleep_until(end).await;
    stage.thaw().await;
    stage.end().await;
}

/// The same for a client library that gives up what it holds piece by piece, and the connection when it
/// sees fit.
pub(crate) async fn nothing_old_arrives(
    proxy: fn(&str) -> Proxy,
    server: &str,
    namespace: &str,
    hold: Duration,
    make: impl Fn(&str) -> Arc<dyn Transporter>,
) {
    let stage = Stage::frozen(proxy, server, namespace, make).await;
    for number in 0..20 {
        stage.send(&format!("late {number}")).unwrap();
    }
    sleep_until(Instant::now() + hold + SLACK).await;
    stage.proxy.restore();
    let again = async {
        // It may be away, and come back without a word.
        let came = |log: &tests_support::Log| log.frames.iter().any(|(_, payload)| payload == "again");
        while !stage.listener.log(|log| came(log)) {
            let _ = stage.send("again");
            sleep(hold / 50).await;
        }
    };
    tokio::time::timeout(hold * 10, again).await.expect("what is sent now arrives");
    stage.end().await;
}

/// The same of a sender in a hurry: the queues are full, and what stands at their ends is told as never
/// sent.
pub(crate) async fn what_waits_is_told_as_unsent(
    proxy: fn(&str) -> Proxy,
    server: &str,
    namespace: &str,
    make: impl Fn(&str) -> Arc<dyn Transporter>,
) {
    let stage = Stage::frozen(proxy, server, namespace, make).await;
    // More than the system and the library hold.
    let body = vec![b'x'; 64 * 1024];
    while stage.sender.send(&stage.to, PacketKind::Event, &body) == Ok(()) {}
    let tokens: Vec<u64> = (1..=10).collect();
    for token in &tokens {
        let text = format!("late {token}");
        stage.sender.send_named(&stage.to, PacketKind::Request, *token, text.as_bytes()).unwrap();
    }
    stage.sender.until("they are told as unsent", |log| log.unsent.len() >= tokens.len()).await;
    let mut unsent = stage.sender.log(|log| log.unsent.clone());
    unsent.sort_unstable();
    assert_eq!(unsent, tokens);
    assert_eq!(stage.sender.log(|log| log.downs.len()), 1);
    stage.thaw().await;
    stage.end().await;
}
