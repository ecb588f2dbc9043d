//! Layers: around calls, around handlers, around bytes.

use bytes::Bytes;
use ligand::layer::{Layer, Side, WrappedAction, event_fn, wire_fns, wrap_fn};
use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::{
    ActionDef, ActionFn, BrokerBuilder, Context, Error, ErrorKind, IntoServiceDef as _, Outcome, Reply,
    ServiceDef,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use crate::ways::{ms, ok};

type Diary = Arc<Mutex<Vec<String>>>;

/// Notes when a call passes it, on the way in and on the way out.
struct Notes {
    name: &'static str,
    around: bool,
    after: bool,
    diary: Diary,
}

fn noting(name: &'static str, place: &str, next: ActionFn, diary: &Diary) -> ActionFn {
    let (diary, place) = (Arc::clone(diary), place.to_owned());
    Arc::new(move |cx, params| {
        diary.lock().unwrap().push(format!("{name} {place} in"));
        let (diary, place, run) = (Arc::clone(&diary), place.clone(), next(cx, params));
        Box::pin(async move {
            let result = run.await;
            diary.lock().unwrap().push(format!("{name} {place} out"));
            result
        })
    })
}

impl Layer for Notes {
    fn name(&self) -> &'static str {
        self.name
    }
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        if self.around && action == "math.one" {
            noting(self.name, "around", next, &self.diary)
        } else {
            next
        }
    }
    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        if self.after && action.name() == "math.one" {
            noting(self.name, &format!("{:?}", action.side()), next, &self.diary)
        } else {
            next
        }
    }
}

fn math() -> ServiceDef {
    ServiceDef::builder("math")
        .action("one", |_, _: Value| async { ok(1) })
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

fn take(diary: &Diary) -> Vec<String> {
    std::mem::take(&mut *diary.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn layers_wrap_the_pick_first_and_the_endpoint_second_in_the_order_given() {
    let diary = Diary::default();
    let notes = |name, around, after| Notes { name, around, after, diary: Arc::clone(&diary) };
    let broker = TestBroker::new()
        .layer(notes("a", true, true))
        .layer(notes("b", true, true))
        .layer(notes("idle", false, false))
        .service(math())
        .start()
        .await;
    assert_eq!(broker.call::<u8>("math.one", ()).await.unwrap(), 1);
    assert_eq!(
        take(&diary),
        [
            "a around in",
            "b around in",
            "a Local in",
            "b Local in",
            "b Local out",
            "a Local out",
            "b around out",
            "a around out"
        ]
    );
    assert_eq!(broker.layers("math.one"), ["a", "b", "a", "b"]);
    assert_eq!(broker.layers("math.where"), [""; 0], "a layer that has nothing to do leaves no trace");
    assert_eq!(broker.layers("math.unknown"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn both_ends_of_a_remote_call_have_their_layers() {
    let diary = Diary::default();
    let layered = |diary: &Diary| {
        let diary = Arc::clone(diary);
        move |builder: BrokerBuilder| {
            builder.layer(Notes { name: "n", around: true, after: true, diary: Arc::clone(&diary) })
        }
    };
    let here = Diary::default();
    let cluster = Cluster::seeded(1)
        .node_with("a", [], layered(&here))
        .node_with("b", [math()], layered(&diary))
        .start()
        .await;
    assert_eq!(cluster.at("a").call::<u8>("math.one", ()).await.unwrap(), 1);
    assert_eq!(take(&here), ["n around in", "n Remote in", "n Remote out", "n around out"]);
    assert_eq!(take(&diary), ["n Local in", "n Local out"], "nothing is picked at the other end");
}

struct Fallback;

impl Layer for Fallback {
    fn name(&self) -> &'static str {
        "fallback"
    }
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        if !action.starts_with("stock.") && !action.starts_with("math.") {
            return next;
        }
        Arc::new(move |cx, params| {
            let run = next(cx, params);
            Box::pin(async move {
                match run.await {
                    Err(error) if error.kind() == ErrorKind::ServiceNotFound => {
                        Ok(Reply::typed("fallback".to_owned()))
                    }
                    other => other,
                }
            })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_the_pick_can_answer_for_an_action_that_nobody_has() {
    let broker = TestBroker::new().layer(Fallback).service(math()).start().await;
    assert_eq!(broker.call::<String>("stock.get", ()).await.unwrap(), "fallback");
    let error = broker.call::<String>("other.get", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_the_pick_changes_nothing_of_what_a_call_asks_for() {
    let cluster = Cluster::seeded(1)
        .node_with("a", [math()], |builder| builder.layer(Fallback))
        .node("b", [math()])
        .node("c", [math()])
        .start()
        .await;
    for node in ["a", "b", "c"] {
        let id = cluster.at(node).node_id().clone();
        let call = cluster.at("a").call("math.where", ()).node(&id).meta("k", 1).raw();
        let answer = call.await.unwrap();
        assert_eq!(answer.node, id);
        assert_eq!(answer.decode::<String>().unwrap(), node);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_can_read_an_option_of_the_action_and_refuse() {
    #[derive(Debug)]
    struct Role(&'static str);
    let guard = wrap_fn(|action, next| {
        let Some(&Role(role)) = action.def().option() else { return next };
        assert_eq!((action.side(), action.service().as_str()), (Side::Local, "svc"));
        Arc::new(move |cx: Context, params| {
            if cx.meta().get::<String>("role").as_deref() == Some(role) {
                return next(cx, params);
            }
            Box::pin(async { Err(Error::client(403, "FORBIDDEN", "not you").with_outcome(Outcome::NotRun)) })
        })
    });
    let service = ServiceDef::builder("svc")
        .action(ActionDef::new("secret").with(Role("admin")), |_, _: Value| async { ok(1) })
        .action("open", |_, _: Value| async { ok(1) });
    let broker = TestBroker::new().layer(guard.named("guard")).service(service).start().await;
    assert_eq!(broker.call::<u8>("svc.open", ()).await.unwrap(), 1);
    let refused = broker.call::<u8>("svc.secret", ()).await.unwrap_err();
    assert_eq!((refused.error_type(), refused.outcome()), (Some("FORBIDDEN"), Outcome::NotRun));
    assert_eq!(broker.call::<u8>("svc.secret", ()).meta("role", "admin").await.unwrap(), 1);
    assert_eq!((broker.layers("svc.secret"), broker.layers("svc.open")), (vec!["guard"], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_layer_wraps_the_handlers_of_this_node() {
    let diary = Diary::default();
    let layer = {
        let diary = Arc::clone(&diary);
        event_fn(move |cx, data, next| {
            diary.lock().unwrap().push(cx.name().to_string());
            async move { next.run(cx, data).await }
        })
    };
    let log = EventLog::of("user.*");
    let cluster = Cluster::seeded(1)
        .node("a", [])
        .node_with("b", [log.clone().into_service_def()], move |builder| builder.layer(layer.clone()))
        .start()
        .await;
    cluster.at("a").emit("user.created", 1).await.unwrap();
    log.wait_for(1).await;
    cluster.at("b").broadcast_local("user.gone", 1).await.unwrap();
    assert_eq!(take(&diary), ["user.created", "user.gone"]);
}

fn xor(key: u8) -> impl Fn(Bytes) -> ligand::Result<Bytes> + Send + Sync + 'static {
    move |packet| Ok(packet.iter().map(|byte| byte ^ key).collect())
}

/// Prefixes packets, and refuses those without the prefix.
fn stamp(builder: BrokerBuilder, mark: u8) -> BrokerBuilder {
    let add = move |packet: Bytes| Ok([&[mark][..], &packet].concat().into());
    let check = move |packet: Bytes| match packet.split_first() {
        Some((first, rest)) if *first == mark => Ok(Bytes::copy_from_slice(rest)),
        _ => Err(Error::client(400, "NO_STAMP", "no stamp")),
    };
    builder.layer(wire_fns(add, check))
}

#[tokio::test(start_paused = true)]
async fn layers_on_the_wire_change_every_packet_and_undo_it_in_reverse() {
    let echo = || ServiceDef::builder("echo").action("it", |_, body: Value| async move { ok(body) }).build();
    let layered = |builder: BrokerBuilder| stamp(builder, 0x55).layer(wire_fns(xor(0x2a), xor(0x2a)));
    let cluster =
        Cluster::seeded(1).node_with("a", [], layered).node_with("b", [echo()], layered).start().await;
    for body in [json!({ "a": [1, 2] }), json!("x".repeat(100_000))] {
        assert_eq!(cluster.at("a").call::<Value>("echo.it", &body).await.unwrap(), body);
    }
    assert!(cluster.at("a").ping(cluster.at("b").node_id()).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_node_without_the_layer_is_not_understood_and_only_counted() {
    let cluster = Cluster::seeded(1).node_with("a", [math()], |builder| stamp(builder, 0x55)).node_with(
        "b",
        [math()],
        |builder| stamp(builder, 0x55),
    );
    let cluster = cluster.start().await;
    let stranger =
        TestBroker::new().node_id("stranger").transporter(cluster.network().transporter()).start().await;
    cluster.advance(ms(500)).await;
    assert_eq!(stranger.ping_all().await.len(), 0);
    assert!(cluster.at("a").stats().malformed > 0);
    assert_eq!(cluster.at("a").call::<u8>("math.one", ()).await.unwrap(), 1);
}
