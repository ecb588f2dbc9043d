//! Events: who gets them, how often, and with what.

use ligand::testing::{Cluster, EventLog, TestBroker, codec_runs};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{Context, Error, EventDef, IntoServiceDef as _, Payload, ServiceDef, Shared};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use tests_support::outsider::packets::service;
use tests_support::outsider::peer::Peer;

use crate::ways::{ms, ok, secs};

/// Who heard what.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<String>>>);

impl Ears {
    /// A service that hears `pattern` in its own group, or another one.
    fn service(&self, name: &'static str, pattern: &'static str, group: Option<&'static str>) -> ServiceDef {
        let ears = self.clone();
        let def = EventDef::new(pattern);
        let def = match group {
            Some(group) => def.group(group),
            None => def,
        };
        ServiceDef::builder(name)
            .event(def, move |cx: Context, _: Value| {
                ears.0.lock().unwrap().push(format!("{}@{}", name, cx.broker().node_id()));
                async { ok(()) }
            })
            .build()
    }

    /// Sorted, and forgotten.
    fn take(&self) -> Vec<String> {
        let mut heard = std::mem::take(&mut *self.0.lock().unwrap());
        heard.sort();
        heard
    }
}

/// `mail` on b and c, `audit` on c and d, `stats` on d in the group of mail.
async fn office(ears: &Ears) -> Cluster {
    Cluster::seeded(2)
        .node("a", [])
        .node("b", [ears.service("mail", "user.*", None)])
        .node("c", [ears.service("mail", "user.*", None), ears.service("audit", "user.created", None)])
        .node(
            "d",
            [ears.service("audit", "user.created", None), ears.service("stats", "user.*", Some("mail"))],
        )
        .start()
        .await
}

#[tokio::test(start_paused = true)]
async fn an_emitted_event_reaches_one_member_of_each_group() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    let mut totals = std::collections::BTreeMap::new();
    for _ in 0..60 {
        cluster.at("a").emit("user.created", json!({ "id": 1 })).await.unwrap();
        cluster.advance(ms(5)).await;
        let heard = ears.take();
        let mail = heard.iter().filter(|who| !who.starts_with("audit")).count();
        assert_eq!(
            (mail, heard.len()),
            (1, 2),
            "one of the group `mail`, one of the group `audit`: {heard:?}"
        );
        for who in heard {
            *totals.entry(who).or_insert(0) += 1;
        }
    }
    // Balanced in turn over nodes.
    assert_eq!((totals["audit@c"], totals["audit@d"]), (30, 30));
    assert_eq!((totals["mail@b"], totals["mail@c"], totals["stats@d"]), (20, 20, 20));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_every_subscriber_once() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    for node in ["a", "c"] {
        cluster.at(node).broadcast("user.created", ()).await.unwrap();
        cluster.advance(ms(5)).await;
        assert_eq!(ears.take(), ["audit@c", "audit@d", "mail@b", "mail@c", "stats@d"], "from {node}");
    }
}

#[tokio::test(start_paused = true)]
async fn groups_restrict_who_gets_an_event() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    cluster.at("a").broadcast("user.created", ()).group("audit").await.unwrap();
    cluster.advance(ms(5)).await;
    assert_eq!(ears.take(), ["audit@c", "audit@d"]);
    cluster.at("a").emit("user.created", ()).group("audit").await.unwrap();
    cluster.advance(ms(5)).await;
    assert_eq!(ears.take().len(), 1);
    cluster.at("a").emit("user.created", ()).group("nobody").await.unwrap();
    cluster.advance(ms(5)).await;
    assert_eq!(ears.take(), [""; 0]);
    cluster.at("c").broadcast_local("user.created", ()).group("mail").await.unwrap();
    assert_eq!(ears.take(), ["mail@c"]);
}

#[tokio::test(start_paused = true)]
async fn a_local_broadcast_stays_here_and_waits_for_its_handlers() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    cluster.at("c").broadcast_local("user.created", ()).await.unwrap();
    assert_eq!(ears.take(), ["audit@c", "mail@c"]);
    cluster.advance(ms(50)).await;
    assert_eq!(ears.take(), [""; 0]);

    let done = Arc::new(Mutex::new(false));
    let slow = ServiceDef::builder("slow").event("tick", {
        let done = Arc::clone(&done);
        move |_, _: Value| {
            let done = Arc::clone(&done);
            async move {
                tokio::time::sleep(ms(500)).await;
                *done.lock().unwrap() = true;
                ok(())
            }
        }
    });
    let broker = TestBroker::new().service(slow).start().await;
    broker.emit("tick", ()).await.unwrap();
    assert!(!*done.lock().unwrap(), "an emitted event does not wait for handlers");
    broker.broadcast_local("tick", ()).await.unwrap();
    assert!(*done.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_node_prefers_its_own_subscribers_for_an_emit() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    for _ in 0..10 {
        cluster.at("c").emit("user.created", ()).await.unwrap();
        cluster.advance(ms(5)).await;
        assert_eq!(ears.take(), ["audit@c", "mail@c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn patterns_match_as_in_node() {
    let rows = [
        ("user.created", "user.created", true),
        ("user.*", "user.created", true),
        ("user.*", "user.created.now", false),
        ("user.**", "user.created.now", true),
        ("*.created", "user.created", true),
        ("*", "user", true),
        ("*", "user.created", false),
        ("**", "user.created", true),
        ("user.??????d", "user.created", true),
        ("user", "user.created", false),
    ];
    for (pattern, event, matches) in rows {
        let log = EventLog::of(pattern);
        let broker = TestBroker::new().service(log.clone()).start().await;
        broker.emit(event, ()).await.unwrap();
        assert_eq!(log.names().contains(&event.to_owned()), matches, "`{pattern}` and `{event}`");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_hears_is_no_error() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    cluster.at("a").emit("nobody", 1).await.unwrap();
    cluster.at("a").broadcast("nobody", 1).await.unwrap();
    cluster.at("a").broadcast_local("nobody", 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bodies_arrive_as_they_were_sent_and_nothing_arrives_as_null() {
    let bodies = [json!({ "id": 1, "tags": ["a"] }), json!("text"), json!(7), json!([1, 2]), Value::Null];
    let log = EventLog::of("it");
    let cluster = Cluster::seeded(1).node("a", []).node("b", [log.clone().into_service_def()]).start().await;
    let here = EventLog::of("it");
    let broker = TestBroker::new().service(here.clone()).start().await;
    for body in &bodies {
        cluster.at("a").emit("it", body).await.unwrap();
        broker.emit("it", body).await.unwrap();
    }
    cluster.at("a").emit("it", Payload::empty()).await.unwrap();
    broker.emit("it", Payload::empty()).await.unwrap();
    log.wait_for(6).await;
    let mut expected = bodies.to_vec();
    expected.push(Value::Null);
    assert_eq!(log.bodies(), expected);
    assert_eq!(here.bodies(), expected);
}

#[tokio::test]
async fn a_shared_body_is_decoded_once_for_all_and_not_at_all_within_the_process() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Fix {
        at: u64,
    }
    let seen: Arc<Mutex<Vec<Arc<Fix>>>> = Arc::default();
    let service = |name: &'static str| {
        let seen = Arc::clone(&seen);
        ServiceDef::builder(name).event("moved", move |_, fix: Shared<Fix>| {
            seen.lock().unwrap().push(fix.0);
            async { ok(()) }
        })
    };
    let broker = TestBroker::new().service(service("one")).service(service("two")).start().await;
    let before = codec_runs();
    broker.emit("moved", Payload::shared(Arc::new(Fix { at: 5 }))).await.unwrap();
    assert_eq!(codec_runs(), before);
    let heard = std::mem::take(&mut *seen.lock().unwrap());
    assert!(heard.len() == 2 && Arc::ptr_eq(&heard[0], &heard[1]) && heard[0].at == 5);

    let before = codec_runs();
    broker.emit("moved", json!({ "at": 6 })).await.unwrap();
    assert_eq!(codec_runs() - before, 2, "encoded once, decoded once");
    let heard = std::mem::take(&mut *seen.lock().unwrap());
    assert!(heard.len() == 2 && Arc::ptr_eq(&heard[0], &heard[1]));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_nobody_elses_business() {
    let log = EventLog::of("it");
    let failing = ServiceDef::builder("failing")
        .event("it", |_, _: Value| async { Err::<(), _>(Error::client(400, "NO", "no")) });
    let picky = ServiceDef::builder("picky").event("it", |_, _: u8| async { ok(()) });
    let broker = TestBroker::new().service(failing).service(picky).service(log.clone()).start().await;
    broker.broadcast("it", "text").await.unwrap();
    broker.broadcast_local("it", "text").await.unwrap();
    assert_eq!(log.wait_for(2).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_hear_the_brokers_own_events_only_of_their_own_node() {
    let log = EventLog::of("$node.*").and("$services.changed");
    let other = EventLog::of("$node.*");
    let mut cluster = Cluster::seeded(1)
        .node("a", [log.clone().into_service_def()])
        .node("b", [other.clone().into_service_def()])
        .start()
        .await;
    let connected = log.matching("$node.connected");
    assert_eq!(connected[0].data["node"]["id"], "b");
    assert!(!log.matching("$services.changed").is_empty());
    cluster.crash("b");
    cluster.advance(crate::ways::secs(32)).await;
    let gone = log.matching("$node.disconnected");
    assert_eq!(
        (gone[0].data["node"]["id"].clone(), gone[0].data["unexpected"].clone()),
        (json!("b"), json!(true))
    );
    assert!(log.all().iter().all(|event| event.node == "a"));
}

#[tokio::test(start_paused = true)]
async fn one_lost_node_does_not_keep_an_event_from_the_others() {
    let ears = Ears::default();
    let cluster = office(&ears).await;
    ears.take();
    cluster.network().crash("b");
    let _ = cluster.at("a").broadcast("user.created", ()).await;
    cluster.advance(ms(5)).await;
    assert_eq!(ears.take(), ["audit@c", "audit@d", "mail@c", "stats@d"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_meta_headers_and_the_request_id_it_was_given() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let service = || {
        let seen = Arc::clone(&seen);
        ServiceDef::builder("svc").event("it", move |cx: Context, _: Value| {
            seen.lock().unwrap().push(json!([
                cx.meta().to_map(),
                cx.headers().to_map(),
                cx.request_id().to_string(),
                cx.caller().map(|name| name.to_string()),
                cx.node().as_str()
            ]));
            async { ok(()) }
        })
    };
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service().build()]).start().await;
    let here = TestBroker::new().node_id("a").service(service()).start().await;
    for broker in [cluster.at("a"), &here] {
        broker.emit("it", 1).meta("user", 7).header("h", true).request_id("tree").await.unwrap();
        cluster.advance(ms(5)).await;
    }
    let expected = json!([{ "user": 7 }, { "h": true }, "tree", null, "a"]);
    assert_eq!(*seen.lock().unwrap(), [expected.clone(), expected]);
}

#[tokio::test(start_paused = true)]
async fn an_event_looks_the_same_whether_it_was_moved_or_went_through_the_codec() {
    for body in [json!({ "a": 1 }), Value::Null] {
        let (moved, encoded) = (EventLog::of("it"), EventLog::of("it"));
        let one = TestBroker::new().service(moved.clone()).start().await;
        let other = TestBroker::new().through_codec().service(encoded.clone()).start().await;
        for broker in [&one, &other] {
            broker.emit("it", Payload::typed(body.clone())).await.unwrap();
            broker.broadcast("it", Payload::shared(Arc::new(body.clone()))).await.unwrap();
            broker.broadcast_local("it", &body).await.unwrap();
        }
        assert_eq!(moved.all(), encoded.all());
        assert_eq!(moved.bodies(), [body.clone(), body.clone(), body]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_names_groups_only_where_it_was_given_some_and_an_emit_names_those_chosen() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([service("far", &[], &[("order.made", "mail")])]));
    broker.wait_for(&["far"]).await.unwrap();
    broker.broadcast("order.made", 1).await.unwrap();
    let packet = peer.hears(PacketKind::Event).await;
    assert_eq!((packet.get("groups"), &packet["broadcast"]), (None, &json!(true)), "{packet}");
    broker.broadcast("order.made", 2).group("mail").await.unwrap();
    let packet = peer.hears(PacketKind::Event).await;
    assert_eq!((&packet["groups"], &packet["broadcast"]), (&json!(["mail"]), &json!(true)), "{packet}");
    broker.emit("order.made", 3).await.unwrap();
    let packet = peer.hears(PacketKind::Event).await;
    assert_eq!((&packet["groups"], &packet["broadcast"]), (&json!(["mail"]), &json!(false)), "{packet}");
}

/// How many handlers of `nested` have begun, and have ended.
type Tally = Arc<Mutex<(u32, u32)>>;

/// A handler that waits for the next one, so many times. Of those that have to, the innermost waits for ever.
fn nested(tally: &Tally, for_ever: bool) -> ServiceDef {
    let tally = Arc::clone(tally);
    ServiceDef::builder("nested")
        .event("nested", move |cx: Context, left: u32| {
            let tally = Arc::clone(&tally);
            async move {
                tally.lock().unwrap().0 += 1;
                tokio::task::yield_now().await;
                match left {
                    0 if for_ever => std::future::pending().await,
                    0 => {}
                    _ => cx.broker().broadcast_local("nested", left - 1).await?,
                }
                tally.lock().unwrap().1 += 1;
                ok(())
            }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn handlers_that_wait_for_each_other_end_however_many_they_are() {
    let tally = Tally::default();
    let broker = TestBroker::new().service(nested(&tally, false)).start().await;
    broker.broadcast_local("nested", 200).await.unwrap();
    assert_eq!(*tally.lock().unwrap(), (201, 201));
}

#[tokio::test(start_paused = true)]
async fn handlers_that_somebody_waits_for_end_with_him_however_many_they_are() {
    let tally = Tally::default();
    let broker = TestBroker::new().service(nested(&tally, true)).start().await;
    let mut waiting = Box::pin(broker.broadcast_local("nested", 100).into_future());
    while tally.lock().unwrap().0 < 101 {
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    drop(waiting);
    // It would wait for those that are left.
    tokio::time::timeout(secs(1), broker.stop()).await.expect("nobody is left").unwrap();
    assert_eq!(*tally.lock().unwrap(), (101, 0));
}
