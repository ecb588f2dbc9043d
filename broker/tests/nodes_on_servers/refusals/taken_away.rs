//! Subscriptions that a server takes away from a node that is connected.

use ligand::{Context, ErrorKind, LocalEvents, Outcome, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests_support::servers::{Added, servers};
use tests_support::{is, until, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What is taken away, unless the server balances.
const REQUESTS: &str = "MOL-taken.REQ.worker";

/// How a node and the one that calls it reach the server.
struct Place {
    caller: String,
    worker: String,
    balanced: bool,
    /// Calls that are made so long after something was taken away do not go to a deaf node any more.
    noticed: Duration,
}

async fn node(id: &str, url: &str, balanced: bool) -> ServiceBroker {
    let broker = ServiceBroker::builder().node_id(id).namespace("taken").transporter(url);
    let broker = broker.configure(move |config| config.disable_balancer = balanced);
    let broker = match id {
        "worker" => broker.service(
            ServiceDef::builder("svc")
                .action("one", |_: Context, _: Value| async { Ok::<_, ligand::Error>(1) }),
        ),
        _ => broker,
    };
    let broker = broker.build().unwrap();
    broker.start().await.unwrap();
    broker
}

fn is_there(caller: &ServiceBroker) -> bool {
    caller.nodes().iter().any(|node| node.id.as_str() == "worker" && node.is_available)
}

async fn told(events: &mut LocalEvents, name: &str) -> Value {
    let telling = async {
        loop {
            let event = events.recv().await.expect("the broker is there");
            if &*event.name == name {
                return event.data;
            }
        }
    };
    within(&format!("{name} is told"), telling).await
}

/// Calls the worker all the time and counts the answers. Gives how each call failed that did, and when it was made.
async fn load(
    caller: ServiceBroker,
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> Vec<(Instant, ligand::Error)> {
    let mut calls = JoinSet::new();
    while !over.load(Ordering::Relaxed) {
        let (caller, answered) = (caller.clone(), Arc::clone(&answered));
        calls.spawn(async move {
            let at = Instant::now();
            let called = caller.call::<u64>("svc.one", json!({})).timeout(Duration::from_secs(2)).await;
            answered.fetch_add(usize::from(called.is_ok()), Ordering::Relaxed);
            called.err().map(|error| (at, error))
        });
        sleep(Duration::from_millis(5)).await;
    }
    calls.join_all().await.into_iter().flatten().collect()
}

async fn leaves_and_comes_back(place: Place, topic: &str, take: impl AsyncFn(), give: impl AsyncFn()) {
    let caller = node("caller", &place.caller, place.balanced).await;
    let worker = node("worker", &place.worker, place.balanced).await;
    within("the caller knows the service", caller.wait_for(&["svc"])).await.unwrap();
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = tokio::spawn(load(caller.clone(), Arc::clone(&over), Arc::clone(&answered)));
    let mut events = worker.local_events("$transporter.*");
    until("calls are answered", async || is(answered.load(Ordering::Relaxed), |answered| *answered >= 10))
        .await;
    take().await;
    let taken = Instant::now();
    let error = told(&mut events, "$transporter.error").await;
    assert_eq!(error["topic"], topic, "{error}");
    until("the worker has left", async || !is_there(&caller)).await;
    for _ in 0..20 {
        let error = caller.call::<u64>("svc.one", json!({})).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotRun, "{error}");
        let error = worker.ping(caller.node_id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    }
    // It asks again, and is refused.
    told(&mut events, "$transporter.error").await;
    assert!(!is_there(&caller));
    give().await;
    told(&mut events, "$transporter.connected").await;
    until("the worker is back", async || is_there(&caller)).await;
    let back = Instant::now();
    for _ in 0..20 {
        assert_eq!(caller.call::<u64>("svc.one", json!({})).await.unwrap(), 1);
    }
    over.store(true, Ordering::Relaxed);
    let failed = load.await.unwrap();
    let late = |at: &Instant| *at > taken + place.noticed;
    let lost: Vec<_> =
        failed.iter().filter(|(at, error)| late(at) && error.outcome() != Outcome::NotRun).collect();
    assert!(lost.is_empty(), "{} calls were lost: {:?}", lost.len(), lost[0]);
    assert!(!failed.iter().any(|(at, _)| *at > back), "it is back and fails calls");
    worker.stop().await.unwrap();
    caller.stop().await.unwrap();
}

/// A server of NATS with two users, of whom one may not subscribe to everything.
struct Nats(Added);

impl Nats {
    async fn start() -> Self {
        let nats = Self(Added::new("nats").await);
        let base = std::fs::read_to_string(nats.0.file("config")).unwrap();
        std::fs::write(nats.0.file("base"), base).unwrap();
        nats.configure("[]");
        nats.0.tell("restart", nats.0.instance("")).await;
        nats
    }

    /// Lets it read its configuration again.
    async fn denies(&self, topics: &str) {
        self.configure(topics);
        servers(&["kill", self.0.instance(""), "HUP"]).await;
    }

    fn configure(&self, topics: &str) {
        let base = std::fs::read_to_string(self.0.file("base")).unwrap();
        let users = format!(
            "{base}\nauthorization {{ users: [{{ user: caller, password: secret }}, {{ user: worker, \
             password: secret, permissions: {{ subscribe: {{ allow: [\">\"], deny: {topics} }} }} }}] }}\n"
        );
        std::fs::write(self.0.file("config"), users).unwrap();
    }

    fn place(&self, balanced: bool) -> Place {
        let url = |user: &str| self.0.url.replace("://", &format!("://{user}:secret@"));
        let noticed = Duration::from_millis(500);
        Place { caller: url("caller"), worker: url("worker"), balanced, noticed }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_takes_a_subscription_away() {
    let nats = Nats::start().await;
    let denied = format!("[\"{REQUESTS}\"]");
    leaves_and_comes_back(
        nats.place(false),
        REQUESTS,
        async || nats.denies(&denied).await,
        async || nats.denies("[]").await,
    )
    .await;
    nats.0.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_takes_a_group_away() {
    let nats = Nats::start().await;
    let group = "MOL-taken.REQB.svc.one";
    let denied = format!("[\"{group}\"]");
    leaves_and_comes_back(
        nats.place(true),
        group,
        async || nats.denies(&denied).await,
        async || nats.denies("[]").await,
    )
    .await;
    nats.0.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_takes_a_channel_away() {
    let redis = Added::new("redis").await;
    let allow = async |kinds: &[&str]| {
        let channels: Vec<_> = kinds.iter().map(|kind| format!("&MOL-taken.{kind}*")).collect();
        let mut words =
            vec!["ask", redis.instance(""), "ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all"];
        words.push("resetchannels");
        words.extend(channels.iter().map(String::as_str));
        assert_eq!(servers(&words).await.trim(), "OK");
    };
    allow(&[""]).await;
    let all_but_requests =
        ["RES", "EVENT", "DISCOVER", "INFO", "DISCONNECT", "HEARTBEAT", "PING", "PONG", "REQ.caller"];
    let worker = redis.url.replace("://", "://worker:secret@");
    let noticed = Duration::from_secs(1);
    let place = Place { caller: redis.url.clone(), worker, balanced: false, noticed };
    let take = async || allow(&all_but_requests).await;
    leaves_and_comes_back(place, REQUESTS, take, async || allow(&[""]).await).await;
    redis.remove().await;
}

/// Mosquitto's plugin keeps its users in a file, and is told what to change by messages.
async fn mosquitto() -> Added {
    let mosquitto = Added::new("mosquitto").await;
    let run = std::env::var("TEST_SERVERS").unwrap();
    let read = |file: &str| std::fs::read_to_string(format!("{run}/{file}")).unwrap();
    let mut users: Value = serde_json::from_str(&read("mosquitto-users.json")).unwrap();
    let may =
        |what: &str, topic: &str| json!({ "acltype": what, "topic": topic, "priority": 1, "allow": true });
    let control = "$CONTROL/dynamic-security/#";
    let everything = json!([may("subscribePattern", "#"), may("publishClientSend", control)]);
    users["roles"] = json!([{ "rolename": "everything", "acls": everything }]);
    for (client, roles) in [(0, json!([{ "rolename": "everything" }])), (1, json!([]))] {
        users["clients"][client]["roles"] = roles;
    }
    std::fs::write(mosquitto.file("users"), users.to_string()).unwrap();
    let plugin = read("mosquitto-auth/config");
    let plugin = plugin.lines().find(|line| line.starts_with("plugin ")).expect("the plugin is named");
    let config = std::fs::read_to_string(mosquitto.file("config")).unwrap();
    let config = config.replace("allow_anonymous true", "allow_anonymous false");
    let users = mosquitto.file("users");
    let config = format!("{config}\n{plugin}\nplugin_opt_config_file {}\n", users.display());
    std::fs::write(mosquitto.file("config"), config).unwrap();
    mosquitto.tell("restart", mosquitto.instance("")).await;
    mosquitto
}

/// Tells the plugin by a client of MQTT 3.1.1 that says nothing else.
async fn command(mosquitto: &Added, command: &Value) {
    let packet = |first: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        let (low, high) = (body.len() % 128, body.len() / 128);
        [&[first, low as u8 | 0x80, high as u8][..], &body].concat()
    };
    let address = mosquitto.url.trim_start_matches("mqtt://");
    let mut server = TcpStream::connect(address).await.unwrap();
    let connect: [&[u8]; 4] =
        [b"\0\x04MQTT\x04\xc2\0\x0a", b"\0\x07control", b"\0\x06ligand", b"\0\x06secret"];
    server.write_all(&packet(0x10, &connect)).await.unwrap();
    let commands = json!({ "commands": [command] }).to_string();
    let publish: [&[u8]; 2] = [b"\0\x1c$CONTROL/dynamic-security/v1", commands.as_bytes()];
    server.write_all(&packet(0x30, &publish)).await.unwrap();
    server.write_all(b"\xe0\0").await.unwrap();
    // It closes when it has read everything.
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut server, &mut rest).await;
}

/// The plugin says nothing to who has subscribed already, so it is found out by asking.
async fn mosquitto_takes_topics_away(options: &str) {
    let mosquitto = mosquitto().await;
    let url =
        |user: &str| format!("{}{options}", mosquitto.url.replace("://", &format!("://{user}:secret@")));
    let noticed = Duration::from_secs(3);
    let place = Place { caller: url("ligand"), worker: url("restricted"), balanced: false, noticed };
    let allow = async |allow: bool| {
        let acls = json!([{ "acltype": "subscribe", "allow": allow }]);
        command(&mosquitto, &json!({ "command": "setDefaultACLAccess", "acls": acls })).await;
    };
    // All of them, of which the first that it listens to is named.
    leaves_and_comes_back(
        place,
        "MOL-taken.PONG.worker",
        async || allow(false).await,
        async || allow(true).await,
    )
    .await;
    mosquitto.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_takes_topics_away_of_version_3() {
    mosquitto_takes_topics_away("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_takes_topics_away_of_version_5() {
    mosquitto_takes_topics_away("?protocolVersion=5").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_takes_a_queue_away() {
    let ask = async |words: &[&str]| servers(&[&["ask", "rabbitmq-1"], words].concat()).await;
    let permit = async |configure: &str| ask(&["set_permissions", "worker", configure, ".*", ".*"]).await;
    let listed = ask(&["list_users"]).await;
    if listed.lines().any(|line| line.starts_with("worker")) {
        ask(&["delete_user", "worker"]).await;
    }
    ask(&["add_user", "worker", "secret"]).await;
    permit(".*").await;
    let url = std::env::var("AMQP_RESTRICTED_URL").unwrap();
    let worker = url.replace("restricted:", "worker:");
    let caller = url.replace("restricted:", "guest:").replace(":secret@", ":guest@");
    let place = Place { caller, worker, balanced: false, noticed: Duration::from_secs(2) };
    let take = async || {
        permit("^(?!MOL-taken[.]REQ[.])").await;
        ask(&["delete_queue", REQUESTS]).await;
    };
    let give = async || _ = permit(".*").await;
    leaves_and_comes_back(place, REQUESTS, take, give).await;
    ask(&["delete_user", "worker"]).await;
}
