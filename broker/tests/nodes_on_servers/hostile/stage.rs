//! Who takes part: a node that is attacked, one that calls it, and the attacker.

use ligand::config::SerializerKind;
use ligand::transport::{PacketKind, Route, Subscription, Transporter, transporter_for};
use ligand::{BrokerBuilder, Context, Error, EventDef, Payload, Reply, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests_support::outsider::peer::Peer;
use tests_support::{is, to, until, within};

use super::calls::Calls;

/// What has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nodes that are known at most, but for the node itself.
pub(crate) const MAX_NODES: usize = 1_000;
/// What a node listens to for itself and with all others.
pub(crate) const OWN: [PacketKind; 7] = [
    PacketKind::Event,
    PacketKind::Request,
    PacketKind::Response,
    PacketKind::Discover,
    PacketKind::Info,
    PacketKind::Ping,
    PacketKind::Pong,
];
const COMMON: [PacketKind; 5] =
    [PacketKind::Discover, PacketKind::Info, PacketKind::Disconnect, PacketKind::Heartbeat, PacketKind::Ping];

/// How the nodes of a cluster speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) serializer: SerializerKind,
    pub(crate) layers: fn(BrokerBuilder) -> BrokerBuilder,
    /// The server balances, where it can.
    pub(crate) balanced: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { serializer: SerializerKind::Json, layers: |builder| builder, balanced: false }
    }
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) victim: ServiceBroker,
    pub(crate) caller: ServiceBroker,
    pub(crate) attacker: Peer,
    /// Everything that the victim listens to.
    pub(crate) topics: Vec<(Route, PacketKind)>,
    pub(crate) calls: Calls,
    namespace: String,
    transporter: Arc<dyn Transporter>,
}

impl Stage {
    /// Everybody is there and knows each other, and calls go on.
    pub(crate) async fn set(url: &str, manner: Manner) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("hostile-{}-{number}", std::process::id());
        // After a flood there is much to publish, and other floods have the server at the same time.
        let transporter = transporter_for(&format!("{url}?closeTimeout=10s")).unwrap();
        let balanced = manner.balanced && transporter.capabilities().balanced;
        let node = |id: &str, services: Vec<ServiceDef>| {
            let builder = ServiceBroker::builder()
                .namespace(&namespace)
                .node_id(id)
                .transporter(Arc::clone(&transporter))
                .serializer(manner.serializer)
                .request_timeout(PATIENCE)
                .configure(move |config| {
                    config.disable_balancer = balanced;
                    config.heartbeat_interval = Duration::from_secs(1);
                    config.registry.max_nodes = MAX_NODES;
                    config.registry.stop_delay = Duration::from_millis(1);
                });
            let builder = services.into_iter().fold(builder, BrokerBuilder::service);
            (manner.layers)(builder).build().unwrap()
        };
        let (victim, caller) = (node("victim", vec![echo(), listener()]), node("caller", vec![]));
        let attacker = Self::outsider_on(&transporter, &namespace, "attacker");
        let (started, called, attacker) = tokio::join!(victim.start(), caller.start(), attacker);
        started.and(called).unwrap();
        within("the nodes meet", caller.wait_for(&["echo"])).await.unwrap();

        let own = OWN.into_iter().map(|kind| (to("victim"), kind));
        let common = COMMON.into_iter().map(|kind| (Route::Broadcast, kind));
        let mut topics: Vec<_> = own.chain(common).collect();
        if balanced {
            let (event, group) = ("order.made".into(), "listener".into());
            topics.push((Route::BalancedRequest { action: "echo.echo".into() }, PacketKind::Request));
            topics.push((Route::BalancedEvent { event, group }, PacketKind::Event));
        }
        let calls = Calls::start(&caller);
        Self { victim, caller, attacker, topics, calls, namespace, transporter }
    }

    async fn outsider_on(transporter: &Arc<dyn Transporter>, namespace: &str, id: &str) -> Peer {
        let own = [PacketKind::Request, PacketKind::Response, PacketKind::Discover, PacketKind::Ping];
        let topics = own.map(Subscription::Own);
        Peer::connect(&**transporter, namespace, id, &topics).await
    }

    /// One more outsider.
    pub(crate) async fn outsider(&self, id: &str) -> Peer {
        Self::outsider_on(&self.transporter, &self.namespace, id).await
    }

    /// Sends these bytes to every topic of the victim; to how many that was.
    pub(crate) async fn everywhere(&self, payload: &[u8]) -> u64 {
        for (route, kind) in &self.topics {
            self.attacker.push(route, *kind, payload).await.unwrap();
        }
        self.topics.len() as u64
    }

    /// Sends a request to the victim that names `id`, and waits for the answer to it.
    pub(crate) async fn ask(&self, id: &str, request: &[u8]) -> String {
        self.attacker.push(&to("victim"), PacketKind::Request, request).await.unwrap();
        let answer = self.attacker.hears_where(PacketKind::Response, |packet| contains(packet, id));
        String::from_utf8_lossy(&within(&format!("{id} is answered"), answer).await).into_owned()
    }

    /// Waits until the victim has worked off what it was asked before. Who floods it may be turned away
    /// with all others, which is not what is tried here.
    pub(crate) async fn caught_up(&self, n: usize) {
        let id = format!("caught-up-{n}");
        let last = json!({ "id": id, "action": "echo.echo", "params": n, "meta": {} });
        let answer = self.ask(&id, self.attacker.signed(last).to_string().as_bytes()).await;
        assert!(answer.contains(&format!(r#""data":{n}"#)), "{answer}");
    }

    /// Packets that the victim could not read.
    pub(crate) fn malformed(&self) -> u64 {
        self.victim.stats().malformed
    }

    /// Waits until the victim has counted so many packets as unreadable.
    pub(crate) async fn counted(&self, what: &str, malformed: u64) {
        let what = format!("{what}: {malformed} are counted");
        until(&what, async || is(self.victim.stats(), |stats| stats.malformed >= malformed)).await;
    }

    /// The victim is there, and every honest call so far was answered as it should.
    pub(crate) async fn is_calm(&self, after: &str) {
        let ping =
            within(&format!("the victim answers after {after}"), self.caller.ping(self.victim.node_id()))
                .await;
        assert!(ping.unwrap().is_some(), "after {after}: no answer to a ping");
        let wrong = self.calls.wrong();
        assert!(wrong.is_empty(), "after {after}: {wrong:#?}");
        assert_eq!(self.calls.not_run(), 0, "after {after}: calls were not made");
        // Calls go on.
        let (what, before) = (format!("after {after} calls are answered"), self.calls.answered());
        until(&what, async || is(self.calls.answered(), |answered| *answered >= before + 3)).await;
    }

    /// Ends the calls: nobody waits for anything any more, and no node has grown.
    pub(crate) async fn end(mut self) {
        within("the calls end", self.calls.end()).await;
        let wrong = self.calls.wrong();
        assert!(wrong.is_empty(), "{wrong:#?}");
        for node in [&self.victim, &self.caller] {
            assert_eq!(node.stats().pending, 0, "{:?}", node.stats());
            let known: Vec<Value> = node.call("$node.list", json!({})).node(node.node_id()).await.unwrap();
            assert!(known.len() <= MAX_NODES + 1, "{} nodes are known", known.len());
        }
        println!("{} calls were answered, victim: {:?}", self.calls.answered(), self.victim.stats());
        let (victim, caller) = tokio::join!(self.victim.stop(), self.caller.stop());
        victim.and(caller).unwrap();
    }
}

/// `echo.echo` answers with what it was given.
fn echo() -> ServiceDef {
    ServiceDef::builder("echo")
        .action_raw("echo", |_cx, body: Payload| async move { Ok::<_, Error>(Reply::from(body)) })
        .build()
}

/// Listens to what is captured, and to what the server balances.
fn listener() -> ServiceDef {
    let heard = |_cx: Context, _: Value| async { Ok::<_, Error>(()) };
    ServiceDef::builder("listener")
        .event(EventDef::new("order.made"), heard)
        .event(EventDef::new("user.*"), heard)
        .build()
}

/// Whether this text stands somewhere in a packet.
pub(crate) fn contains(packet: &[u8], text: &str) -> bool {
    packet.windows(text.len()).any(|part| part == text.as_bytes())
}
