//! What a node asks of a bus that balances (`disableBalancer`), and when.

use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route, Subscription};
use ligand::{Context, Outcome, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::collections::HashSet;
use tests_support::log::Log;
use tests_support::outsider::peer::Peer;

use super::disable_balancer::{alone, on, requests, service};
use crate::bus::{Asked, Server, of_action, of_event};
use crate::ways::{ms, ok, secs};

pub(super) fn subscribed(asked: &[Asked]) -> HashSet<Subscription> {
    let balanced = |one: &Subscription| !matches!(one, Subscription::Own(_) | Subscription::Broadcast(_));
    let made = asked.iter().filter_map(|asked| match asked {
        Asked::Subscribe(one) if balanced(one) && *one != of_action("$node.health") => Some(one.clone()),
        _ => None,
    });
    made.filter(|one| !matches!(one, Subscription::BalancedRequest { action } if action.starts_with('$')))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn subscriptions_follow_what_is_offered_before_it_is_announced() {
    let listens = ServiceDef::builder("ear")
        .event("order.*", |_: Context, _: Value| async { ok(()) })
        .event("$node.connected", |_: Context, _: Value| async { ok(()) });
    let (broker, server, network) = alone(vec![service(), listens.build()]).await;
    let broker = broker.start().await;
    let asked = server.asked();
    assert_eq!(subscribed(&asked), HashSet::from([of_action("svc.where"), of_event("ear", "order.*")]));
    assert!(asked.contains(&Asked::Subscribe(of_action("$node.list"))));
    let at = |asked: &[Asked], what: &dyn Fn(&Asked) -> bool| asked.iter().position(what);
    let announced = |asked: &Asked| matches!(asked, Asked::Send(Route::Broadcast, PacketKind::Info, _));
    let made = at(&asked, &|asked| *asked == Asked::Subscribe(of_action("svc.where")));
    assert!(made < at(&asked, &announced) && made.is_some());

    // What comes and goes is all that changes.
    let more = ServiceDef::builder("more").action("x", |_, _: Value| async { ok(1) });
    broker.add(more).await.unwrap();
    assert_eq!(server.asked(), [Asked::Subscribe(of_action("more.x"))]);
    assert_eq!(broker.call::<i64>("more.x", ()).await.unwrap(), 1);
    // What goes stays subscribed to until all have heard so: whoever asks till then gets an answer.
    broker.remove("more").await;
    tokio::time::sleep(secs(2)).await;
    let asked = server.asked();
    let ended = at(&asked, &|asked| *asked == Asked::Unsubscribe(of_action("more.x")));
    let told = at(&asked, &announced);
    assert!(told.is_some() && told < ended && subscribed(&asked).is_empty(), "{asked:?}");

    // The same at the end, and then nothing balanced arrives any more at a node that refuses requests.
    let peer = Peer::join(&network, "peer").await;
    let (stopped, ()) = tokio::join!(broker.stop(), async {
        tokio::time::sleep(ms(300)).await;
        peer.send(&Route::BalancedRequest { action: "svc.where".into() }, PacketKind::Request, json!({}));
    });
    stopped.unwrap();
    let asked = server.asked();
    let told = at(&asked, &announced);
    let farewell = at(&asked, &|asked| matches!(asked, Asked::Send(_, PacketKind::Disconnect, _)));
    for last in [of_event("ear", "order.*"), of_action("svc.where"), of_action("$node.list")] {
        let ended = at(&asked, &|asked| *asked == Asked::Unsubscribe(last.clone()));
        assert!(told < ended && ended < farewell, "{asked:?}");
    }
    assert!(at(&asked, &|asked| matches!(asked, Asked::Subscribe(_))).is_none());
    assert!(requests(&asked).is_empty() && peer.heard(PacketKind::Response).is_empty());
}

#[tokio::test(start_paused = true)]
async fn patterns_that_the_bus_cannot_match_are_warned_of_once_per_event() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let server = Server::on(&network).can(|can| can.balanced_wildcards = false);
    let ear = ServiceDef::builder("ear")
        .event("order.*", |_: Context, _: Value| async { ok(()) })
        .event("exact", |_: Context, _: Value| async { ok(()) });
    let broker = on(&server, vec![ear.build()]).start().await;
    assert_eq!(log.with("balances no events for patterns").len(), 1, "one for the subscription");
    for _ in 0..3 {
        broker.emit("order.made", 1).await.unwrap();
        broker.emit("exact", 1).await.unwrap();
    }
    let warned = log.with("event=order.made");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(log.with("event=exact").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_restores_every_balanced_subscription_once() {
    let (broker, server, network) = alone(vec![service()]).await;
    let broker = broker.start().await;
    let before = subscribed(&server.asked());
    network.crash("a");
    tokio::time::sleep(secs(1)).await;
    let error = broker.call::<String>("other.action", ()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotRun);
    // What this node offers itself is not lost with the bus.
    assert_eq!(broker.call::<String>("svc.where", ()).await.unwrap(), "a");
    network.restore("a");
    tokio::time::sleep(secs(1)).await;
    let asked = server.asked();
    assert_eq!(subscribed(&asked), before);
    let made = asked.iter().filter(|asked| **asked == Asked::Subscribe(of_action("svc.where")));
    assert_eq!(made.count(), 1);
    assert_eq!(broker.call::<String>("svc.where", ()).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_balanced_subscription_that_is_refused_fails_the_start_and_names_its_topic() {
    let network = Network::new();
    let server = Server::on(&network);
    server.refuse(of_action("svc.where"));
    let broker = ligand::ServiceBroker::builder()
        .node_id("a")
        .transporter(server)
        .service(service())
        .configure(|config| config.disable_balancer = true)
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("svc.where") && error.contains("permissions"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_while_a_node_starts_is_not_asked_of_the_bus_any_more() {
    let network = Network::new();
    let server = Server::on(&network);
    let quick = ServiceDef::builder("quick").action("x", |_, _: Value| async { ok(1) });
    let slow = ServiceDef::builder("slow").action("x", |_, _: Value| async { ok(2) }).started(|_| async {
        tokio::time::sleep(ms(100)).await;
        ok(())
    });
    let builder =
        ServiceBroker::builder().node_id("a").transporter(server.clone()).service(quick).service(slow);
    let broker = builder.configure(|config| config.disable_balancer = true).build().unwrap();
    let (started, ()) = tokio::join!(broker.start(), async {
        while !subscribed(&server.asked()).contains(&of_action("quick.x")) {
            tokio::task::yield_now().await;
        }
        broker.remove("quick").await;
    });
    started.unwrap();
    tokio::time::sleep(secs(5)).await;
    assert!(server.asked().contains(&Asked::Unsubscribe(of_action("quick.x"))));
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_in_a_row_each_stays_subscribed_until_it_is_announced() {
    let one =
        |name: &'static str| ServiceDef::builder(name).action("x", |_, _: Value| async { ok(1) }).build();
    let (broker, server, _network) = alone(vec![one("first"), one("second")]).await;
    let broker = broker.start().await;
    let told = |asked: &Asked| matches!(asked, Asked::Send(Route::Broadcast, PacketKind::Info, _));
    broker.remove("first").await;
    let mut asked = Vec::new();
    while !asked.iter().any(told) {
        tokio::time::sleep(ms(1)).await;
        asked.extend(server.asked());
    }
    broker.remove("second").await;
    tokio::time::sleep(secs(5)).await;
    asked = server.asked();
    let at = |what: &Asked| asked.iter().position(|asked| asked == what).unwrap();
    let announced = asked.iter().position(told).unwrap();
    let (first, second) =
        (Asked::Unsubscribe(of_action("first.x")), Asked::Unsubscribe(of_action("second.x")));
    assert!(announced < at(&second) && announced < at(&first), "{asked:?}");
}
