//! Event handlers: how they take the payload, in which group they stand, how many run at once.

use std::sync::Arc;

use ligand::transport::memory::Network;
use ligand::{Context, Params, Payload, Result, ServiceBroker, Shared, service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::ways::{alone, node};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

/// What a handler saw.
#[derive(Debug, PartialEq)]
enum Seen {
    Named { event: String, id: u64, nickname: Option<String> },
    Whole(User),
    Shared(Arc<User>),
    Raw(bool),
    Began(u64),
    Ended(u64),
}

struct Watcher {
    seen: mpsc::Sender<Seen>,
    may_end: Arc<Semaphore>,
}

impl Watcher {
    fn new() -> (Self, mpsc::Receiver<Seen>) {
        let (seen, receiver) = mpsc::channel(64);
        (Self { seen, may_end: Arc::new(Semaphore::new(0)) }, receiver)
    }

    fn saw(&self, seen: Seen) -> Result<()> {
        self.seen.try_send(seen).map_err(ligand::Error::internal)
    }
}

#[service(name = "watcher")]
impl Watcher {
    #[event("user.*", rename(nickname = "nickName"))]
    async fn on_named(&self, id: u64, nickname: Option<String>, ctx: Context) -> Result<()> {
        self.saw(Seen::Named { event: ctx.name().to_string(), id, nickname })
    }

    #[event("whole.user")]
    async fn on_whole(&self, Params(user): Params<User>) -> Result<()> {
        self.saw(Seen::Whole(user))
    }

    #[event("shared.user")]
    async fn on_shared(&self, user: Shared<User>) -> Result<()> {
        self.saw(Seen::Shared(user.0))
    }

    #[event("shared.*")]
    async fn on_shared_too(&self, user: Shared<User>) -> Result<()> {
        self.saw(Seen::Shared(user.0))
    }

    #[event("raw.user")]
    async fn on_raw(&self, payload: Payload) -> Result<()> {
        self.saw(Seen::Raw(payload.is_empty()))
    }

    #[event("in.order", concurrency = 1)]
    async fn in_order(&self, id: u64) -> Result<()> {
        self.saw(Seen::Began(id))?;
        self.may_end.acquire().await.map_err(ligand::Error::internal)?.forget();
        self.saw(Seen::Ended(id))
    }

    #[event("at.once")]
    async fn at_once(&self, id: u64) -> Result<()> {
        self.saw(Seen::Began(id))?;
        self.may_end.acquire().await.map_err(ligand::Error::internal)?.forget();
        self.saw(Seen::Ended(id))
    }
}

fn user() -> User {
    User { id: 7, name: "Ada".into() }
}

/// Emits from the same node and from another one, and checks what arrives.
async fn from_here_and_there(check: impl AsyncFn(&ServiceBroker, &mut mpsc::Receiver<Seen>)) {
    let network = Network::new();
    let (watcher, mut seen) = Watcher::new();
    let here = ServiceBroker::builder()
        .node_id("here")
        .transporter(network.transporter())
        .service(watcher)
        .build()
        .unwrap();
    here.start().await.unwrap();
    let there = node(&network, "there").await;
    there.wait_for(&["watcher"]).await.unwrap();
    check(&here, &mut seen).await;
    check(&there, &mut seen).await;
    there.stop().await.unwrap();
    here.stop().await.unwrap();
}

#[tokio::test]
async fn named_arguments_are_fields_of_the_payload() {
    from_here_and_there(async |broker, seen| {
        broker.emit("user.created", json!({ "id": 7, "nickName": "ad", "more": 1 })).await.unwrap();
        let expected = Seen::Named { event: "user.created".into(), id: 7, nickname: Some("ad".into()) };
        assert_eq!(seen.recv().await, Some(expected));
        broker.broadcast("user.gone", json!({ "id": 8 })).await.unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Named { event: "user.gone".into(), id: 8, nickname: None }));
    })
    .await;
}

#[tokio::test]
async fn a_payload_that_does_not_fit_reaches_nobody_and_harms_nobody() {
    from_here_and_there(async |broker, seen| {
        broker.emit("user.created", json!({ "id": "seven" })).await.unwrap();
        broker.emit("user.created", json!({ "id": 9 })).await.unwrap();
        assert!(matches!(seen.recv().await, Some(Seen::Named { id: 9, .. })));
    })
    .await;
}

#[tokio::test]
async fn the_whole_payload_is_taken_decoded_or_raw() {
    from_here_and_there(async |broker, seen| {
        broker.emit("whole.user", user()).await.unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Whole(user())));
        broker.emit("raw.user", user()).await.unwrap();
        assert_eq!(seen.recv().await, Some(Seen::Raw(false)));
    })
    .await;
}

#[tokio::test]
async fn a_shared_payload_is_one_value_for_all_handlers_of_a_process() {
    let (watcher, mut seen) = Watcher::new();
    let broker = alone(watcher).await;
    let sent = Arc::new(user());
    broker.emit("shared.user", Payload::shared(Arc::clone(&sent))).await.unwrap();
    for _ in 0..2 {
        let Some(Seen::Shared(got)) = seen.recv().await else { panic!("both handlers hear of it") };
        assert_eq!(got, sent);
        assert!(Arc::ptr_eq(&got, &sent), "nothing was encoded");
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_shared_payload_from_the_network_is_decoded_for_each_handler() {
    from_here_and_there(async |broker, seen| {
        broker.emit("shared.user", user()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(seen.recv().await, Some(Seen::Shared(Arc::new(user()))));
        }
    })
    .await;
}

#[tokio::test]
async fn with_a_concurrency_of_one_events_are_handled_one_after_the_other() {
    let (watcher, mut seen) = Watcher::new();
    let may_end = Arc::clone(&watcher.may_end);
    let broker = alone(watcher).await;
    for id in 0..3 {
        broker.emit("in.order", json!({ "id": id })).await.unwrap();
    }
    for id in 0..3 {
        assert_eq!(seen.recv().await, Some(Seen::Began(id)));
        assert!(seen.try_recv().is_err(), "the next one waits");
        may_end.add_permits(1);
        assert_eq!(seen.recv().await, Some(Seen::Ended(id)));
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_concurrency_events_are_handled_at_the_same_time() {
    let (watcher, mut seen) = Watcher::new();
    let may_end = Arc::clone(&watcher.may_end);
    let broker = alone(watcher).await;
    for id in 0..3 {
        broker.emit("at.once", json!({ "id": id })).await.unwrap();
    }
    for _ in 0..3 {
        assert!(matches!(seen.recv().await, Some(Seen::Began(_))));
    }
    may_end.add_permits(3);
    for _ in 0..3 {
        assert!(matches!(seen.recv().await, Some(Seen::Ended(_))));
    }
    broker.stop().await.unwrap();
}

/// Hears the same event in the group that its service's name makes, and in one of its own.
struct Grouped(mpsc::Sender<&'static str>);

#[service(name = "grouped")]
impl Grouped {
    #[event("order.placed")]
    async fn by_name(&self) -> Result<()> {
        self.0.try_send("grouped").map_err(ligand::Error::internal)
    }

    #[event("order.*", group = "mail")]
    async fn by_group(&self) -> Result<()> {
        self.0.try_send("mail").map_err(ligand::Error::internal)
    }
}

/// Waits until so many nodes offer the service.
async fn sees_the_service_on(broker: &ServiceBroker, service: &str, nodes: usize) {
    let mut changes = broker.local_events("$services.changed");
    loop {
        let services: Vec<Value> = broker.call("$node.services", json!({ "grouping": false })).await.unwrap();
        if services.iter().filter(|one| one["name"] == service).count() == nodes {
            return;
        }
        changes.recv().await.unwrap();
    }
}

#[tokio::test]
async fn each_group_gets_an_emitted_event_once_and_every_node_a_broadcast() {
    let network = Network::new();
    let (sender, mut seen) = mpsc::channel(64);
    let mut nodes = Vec::new();
    for id in ["first", "second"] {
        let broker = ServiceBroker::builder()
            .node_id(id)
            .transporter(network.transporter())
            .service(Grouped(sender.clone()))
            .build()
            .unwrap();
        broker.start().await.unwrap();
        nodes.push(broker);
    }
    let emitter = node(&network, "emitter").await;
    sees_the_service_on(&emitter, "grouped", 2).await;
    let mut heard = async |count: usize| {
        let mut heard = Vec::new();
        for _ in 0..count {
            heard.push(seen.recv().await.unwrap());
        }
        heard.sort_unstable();
        heard
    };
    emitter.emit("order.placed", json!({})).await.unwrap();
    assert_eq!(heard(2).await, ["grouped", "mail"]);
    emitter.emit("order.placed", json!({})).group("mail").await.unwrap();
    assert_eq!(heard(1).await, ["mail"]);
    emitter.broadcast("order.placed", json!({})).await.unwrap();
    // Exactly these: one more would come before the answers to what is asked next.
    assert_eq!(heard(4).await, ["grouped", "grouped", "mail", "mail"]);
    emitter.emit("order.placed", json!({})).group("grouped").await.unwrap();
    assert_eq!(heard(1).await, ["grouped"]);
    for broker in nodes.iter().chain([&emitter]) {
        broker.stop().await.unwrap();
    }
}
