//! The Redis discoverer against a real server (protocol chapter 11.1).
//!
//! `REDIS_URL` names one; without it each test starts its own. Tests that stop the server always do.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod server;

use ligand::config::{DiscovererConfig, SerializerKind};
use ligand::layer::wire_fns;
use ligand::{BrokerBuilder, BrokerConfig, Error, ServiceBroker, ServiceDef, StartError, Timeout};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests_support::{is, until};

use server::{Server, namespace};

const BEAT: Duration = Duration::from_millis(150);
const LASTS: Duration = Duration::from_secs(2);

/// A node in a cluster of its own, quick to beat.
fn node(server: &Server, namespace: &str, id: &str, transporter: &str) -> BrokerBuilder {
    let (namespace, url) = (namespace.to_owned(), server.url());
    let name = id.to_owned();
    let who = ServiceDef::builder(id).action("who", move |_, _: Value| {
        let name = name.clone();
        async move { Ok::<_, Error>(name) }
    });
    ServiceBroker::builder().node_id(id).transporter(transporter).service(who.build()).configure(
        move |config| {
            config.namespace = namespace;
            config.heartbeat_interval = BEAT;
            config.heartbeat_timeout = LASTS;
            config.registry.stop_delay = Duration::ZERO;
            config.registry.discoverer = Some(url.into());
        },
    )
}

async fn started(builder: BrokerBuilder) -> ServiceBroker {
    let broker = builder.build().unwrap();
    broker.start().await.unwrap();
    broker
}

async fn sees(broker: &ServiceBroker, action: &str, there: bool) {
    until(&format!("{} finds {action}: {there}", broker.node_id()), async || {
        let found = broker.call::<Value>(action, json!({})).await;
        (found.is_ok() == there).then_some(())
    })
    .await;
}

/// Everything that other nodes are told of this one.
async fn node_events(broker: &ServiceBroker) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut events = broker.local_events("**");
    let noted = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            noted.lock().unwrap().push(event.name.to_string());
        }
    });
    heard
}

const TRANSPORTERS: [&str; 2] = ["memory", "tcp://?udpDiscovery=false&bind=127.0.0.1&useHostname=false"];

/// A transporter of one test, and both nodes of a cluster over TCP reached on this host.
fn over(transporter: &str, namespace: &str) -> String {
    match transporter {
        "memory" => format!("memory://{namespace}"),
        other => other.to_owned(),
    }
}

fn local(builder: BrokerBuilder) -> BrokerBuilder {
    builder.configure(|config: &mut BrokerConfig| {
        config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]);
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_services_need_each_other_crosswise_start_within_three_seconds() {
    let Some(server) = Server::any().await else { return };
    let service = |name: &str, needs: &[&str]| {
        let builder =
            ServiceDef::builder(name.to_owned()).depends_on(needs.iter().map(|name| (*name).to_owned()));
        builder.action("get", |_, _: Value| async { Ok::<_, Error>(1) }).build()
    };
    for transporter in TRANSPORTERS {
        let namespace = namespace();
        let transporter = over(transporter, &namespace);
        let node = |id, services: [ServiceDef; 2]| {
            let node = services
                .into_iter()
                .fold(node(&server, &namespace, id, &transporter), BrokerBuilder::service);
            // As by default: the next beat is long away.
            let node = node.configure(|config| {
                config.heartbeat_interval = Duration::from_secs(10);
                config.heartbeat_timeout = Duration::from_secs(30);
            });
            local(node).build().unwrap()
        };
        let a = node("a", [service("tenant", &[]), service("location", &["device"])]);
        let b = node("b", [service("device", &["tenant"]), service("alarm", &["location"])]);
        let from = std::time::Instant::now();
        let started = tokio::join!(a.start(), b.start());
        started.0.unwrap();
        started.1.unwrap();
        a.wait_for(&["alarm"]).await.unwrap();
        let took = from.elapsed();
        assert!(took <= Duration::from_secs(3), "it took {took:.1?} over {transporter}");
        sees(&a, "alarm.get", true).await;
        sees(&b, "tenant.get", true).await;
        for broker in [&a, &b] {
            broker.stop().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_change_and_leave_over_any_transporter() {
    let Some(server) = Server::any().await else { return };
    for transporter in TRANSPORTERS {
        let namespace = namespace();
        let transporter = over(transporter, &namespace);
        let a = started(local(node(&server, &namespace, "a", &transporter))).await;
        let b = started(local(node(&server, &namespace, "b", &transporter))).await;
        sees(&a, "b.who", true).await;
        sees(&b, "a.who", true).await;
        let other = ServiceDef::builder("late").action("it", |_, _: Value| async { Ok::<_, Error>(1) });
        b.add(other.build()).await.unwrap();
        sees(&a, "late.it", true).await;
        let heard = node_events(&a).await;
        b.stop().await.unwrap();
        assert_eq!(server.keys(&format!("MOL-{namespace}-DSCVR-*:b*")).await, [""; 0], "{transporter}");
        sees(&a, "b.who", false).await;
        until("it has left", async || {
            is(heard.lock().unwrap().clone(), |heard| heard.contains(&"$node.disconnected".to_owned()))
        })
        .await;
        // The same node again, as another process.
        let b = started(local(node(&server, &namespace, "b", &transporter))).await;
        sees(&a, "b.who", true).await;
        a.stop().await.unwrap();
        b.stop().await.unwrap();
        assert_eq!(server.keys(&format!("MOL-{namespace}-*")).await, [""; 0], "{transporter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_have_the_names_values_and_lives_of_node() {
    let Some(server) = Server::any().await else { return };
    let namespace = namespace();
    let a = started(node(&server, &namespace, "a", &format!("memory://{namespace}"))).await;
    let info_key = format!("MOL-{namespace}-DSCVR-INFO:a");
    let info = until("INFO is written", async || {
        serde_json::from_str::<Value>(&server.ask(&["GET", &info_key]).await.unwrap()).ok()
    })
    .await;
    for field in [
        "ver",
        "sender",
        "ipList",
        "hostname",
        "instanceID",
        "client",
        "config",
        "seq",
        "metadata",
        "services",
    ] {
        assert!(info.get(field).is_some(), "{field} in {info}");
    }
    assert_eq!((&info["ver"], &info["sender"]), (&json!("5"), &json!("a")));
    let lives = server.ask(&["TTL", &info_key]).await.unwrap().parse::<u64>().unwrap();
    assert!((1790..=1800).contains(&lives), "{lives}");

    let instance = info["instanceID"].as_str().unwrap();
    let beat_key = format!("MOL-{namespace}-DSCVR-BEAT:a|{}|{}", &instance[..8], info["seq"]);
    let beat = until("a beat is written", async || {
        serde_json::from_str::<Value>(&server.ask(&["GET", &beat_key]).await.unwrap()).ok()
    })
    .await;
    assert_eq!((&beat["sender"], &beat["ver"], &beat["seq"]), (&json!("a"), &json!("5"), &info["seq"]));
    assert_eq!((&beat["instanceID"], beat.get("cpu").is_some()), (&info["instanceID"], true));
    let lives = server.ask(&["TTL", &beat_key]).await.unwrap().parse::<u64>().unwrap();
    assert!((1..=2).contains(&lives), "{lives}");

    // A change writes another INFO and replaces the beat.
    a.add(ServiceDef::builder("more").build()).await.unwrap();
    let next = info["seq"].as_u64().unwrap() + 1;
    let next_key = format!("MOL-{namespace}-DSCVR-BEAT:a|{}|{next}", &instance[..8]);
    let pattern = format!("MOL-{namespace}-DSCVR-BEAT:*");
    until("the beat is the next one", async || {
        is(server.keys(&pattern).await, |keys| *keys == [next_key.clone()])
    })
    .await;
    a.stop().await.unwrap();
    assert_eq!(server.keys(&format!("MOL-{namespace}-*")).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_have_a_serializer_of_their_own_whatever_the_cluster_speaks() {
    use SerializerKind::{Cbor, Json, JsonExt, MsgPack, Notepack};
    let Some(server) = Server::any().await else { return };
    // What an INFO begins with.
    let rows: [(_, _, &[u8]); 6] = [
        (MsgPack, None, b"{"),
        (MsgPack, Some(Json), b"{"),
        (Json, Some(JsonExt), b"{"),
        (Json, Some(MsgPack), b"\x8A"),
        (Cbor, Some(Notepack), b"\x8A"),
        (Json, Some(Cbor), b"\xB9"),
    ];
    for (spoken, written, begins) in rows {
        let namespace = namespace();
        let mut options = json!({ "redis": server.url(), "fullCheck": 1 });
        if let Some(written) = written {
            options["serializer"] = json!(written.as_str());
        }
        let Value::Object(options) = options else { unreachable!("it is written as one") };
        let of = |id| {
            let options = options.clone();
            node(&server, &namespace, id, &format!("memory://{namespace}")).configure(move |config| {
                config.serializer = spoken;
                config.metadata = [("text".to_owned(), json!("[[DT]]5"))].into_iter().collect();
                config.registry.discoverer = Some(DiscovererConfig::with_options("Redis", options));
            })
        };
        let (a, b) = (started(of("a")).await, started(of("b")).await);
        sees(&a, "b.who", true).await;
        sees(&b, "a.who", true).await;
        let all: Value = a.call("$node.list", json!({})).await.unwrap();
        let b_as_seen = all.as_array().unwrap().iter().find(|node| node["id"] == "b").unwrap();
        assert_eq!(b_as_seen["metadata"], json!({ "text": "[[DT]]5" }), "{spoken} {written:?}");
        let record = server.ask_raw(&["GET", &format!("MOL-{namespace}-DSCVR-INFO:a")]).await.unwrap();
        assert!(record.starts_with(begins), "{spoken} {written:?}: {record:x?}");
        b.stop().await.unwrap();
        sees(&a, "b.who", false).await;
        a.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discover_info_and_heartbeat_are_not_sent_and_a_farewell_is() {
    let Some(server) = Server::any().await else { return };
    let namespace = namespace();
    let transporter = format!("memory://{namespace}");
    let sent = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&sent);
    let note = wire_fns(
        move |packet| {
            noted.lock().unwrap().push(serde_json::from_slice::<Value>(&packet).unwrap());
            Ok(packet)
        },
        Ok,
    );
    let a = started(node(&server, &namespace, "a", &transporter).layer(note)).await;
    let b = started(node(&server, &namespace, "b", &transporter)).await;
    sees(&b, "a.who", true).await;
    sees(&a, "b.who", true).await;
    let bare = |packet: &Value| packet.as_object().unwrap().len() == 2;
    let membership =
        |packet: &&Value| bare(packet) || packet.get("services").is_some() || packet.get("cpu").is_some();
    assert_eq!(sent.lock().unwrap().iter().find(membership), None);
    let heard = node_events(&b).await;
    a.stop().await.unwrap();
    assert_eq!(sent.lock().unwrap().iter().filter(|packet| bare(packet)).count(), 1, "DISCONNECT");
    until("it has left", async || {
        is(heard.lock().unwrap().clone(), |heard| heard.contains(&"$node.disconnected".to_owned()))
    })
    .await;
    b.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_beat_vanished_is_gone_and_one_with_rubbish_for_records_hurts_nobody() {
    let Some(server) = Server::any().await else { return };
    let namespace = namespace();
    let a = started(node(&server, &namespace, "a", &format!("memory://{namespace}"))).await;
    let heard = node_events(&a).await;
    let info = json!({
        "ver": "5", "sender": "ghost", "ipList": [], "hostname": "h", "instanceID": "12345678-x", "seq": 1,
        "client": { "type": "nodejs", "version": "0", "langVersion": "v0" }, "config": {}, "metadata": {},
        "services": [{ "name": "ghost", "fullName": "ghost", "settings": {}, "metadata": {}, "events": {},
            "actions": { "ghost.act": { "name": "ghost.act" } } }],
    });
    let prefix = format!("MOL-{namespace}-DSCVR");
    let set = async |key: &str, value: &str| {
        server.ask(&["SETEX", &format!("{prefix}-{key}"), "60", value]).await.unwrap();
    };
    for (key, value) in [
        ("BEAT:x", ""),
        ("BEAT:x|y|z", "\0"),
        ("BEAT:bad|12345678|1", "{"),
        ("INFO:bad", "not JSON"),
        ("BEAT:liar|12345678|1", ""),
        ("INFO:liar", &info.to_string()),
        ("BEAT:empty|12345678|1", "[]"),
        ("INFO:ghost", &info.to_string()),
        ("BEAT:ghost|12345678|1", "{}"),
    ] {
        set(key, value).await;
    }
    let services = async || {
        let all: Value = a.call("$node.list", json!({})).await.unwrap();
        let online = all.as_array().unwrap().iter().filter(|node| node["available"] == true);
        let mut ids: Vec<_> = online.map(|node| node["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    until("the ghost is known", async || is(services().await, |online| *online == ["a", "ghost"])).await;
    server.ask(&["DEL", &format!("{prefix}-BEAT:ghost|12345678|1")]).await.unwrap();
    until("the ghost is gone", async || is(services().await, |online| *online == ["a"])).await;
    until("it is told", async || {
        is(heard.lock().unwrap().clone(), |heard| heard.contains(&"$node.disconnected".to_owned()))
    })
    .await;
    for key in server.keys(&format!("{prefix}-*")).await {
        server.ask(&["DEL", &key]).await.unwrap();
    }
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_takes_nobody_away_and_is_filled_again() {
    let Some(mut server) = Server::own().await else { return };
    let namespace = namespace();
    let transporter = format!("memory://{namespace}");
    let a = started(node(&server, &namespace, "a", &transporter)).await;
    let b = started(node(&server, &namespace, "b", &transporter)).await;
    sees(&a, "b.who", true).await;
    sees(&b, "a.who", true).await;
    let heard = node_events(&a).await;
    let told = |name: &str| heard.lock().unwrap().iter().filter(|event| *event == name).count();
    server.kill();
    until("the loss is told", async || told("$discoverer.error") > 0).await;
    // Longer than beats last: they would have vanished, had they been kept.
    let until_then = tokio::time::Instant::now() + LASTS + BEAT * 2;
    while tokio::time::Instant::now() < until_then {
        assert_eq!(a.call::<String>("b.who", json!({})).await.unwrap(), "b");
        tokio::time::sleep(BEAT).await;
    }
    server.start().await.unwrap();
    until("both have written again", async || {
        is(server.keys(&format!("MOL-{namespace}-DSCVR-*")).await, |keys| keys.len() == 4)
    })
    .await;
    assert_eq!(a.call::<String>("b.who", json!({})).await.unwrap(), "b");
    // The server loses everything while the connections stay.
    server.ask(&["FLUSHALL"]).await.unwrap();
    until("both have written again", async || {
        is(server.keys(&format!("MOL-{namespace}-DSCVR-*")).await, |keys| keys.len() == 4)
    })
    .await;
    assert_eq!(a.call::<String>("b.who", json!({})).await.unwrap(), "b");
    assert_eq!(told("$node.disconnected"), 0);
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_the_store_fails_in_time_and_names_it_without_its_password() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = ServiceBroker::builder()
        .transporter("memory://alone")
        .configure(move |config| {
            config.registry.discoverer = Some(format!("redis://user:canary@{closed}").into());
            config.transit.connect_timeout = Timeout::After(Duration::from_millis(300));
        })
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Discoverer { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&closed.to_string()) && !text.contains("canary"), "{text}");
}
