//! A service that is removed by one of its own handlers, which cannot be waited for.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, Error, ErrorKind, EventDef, ServiceDef};
use serde_json::Value;
use std::future::{IntoFuture as _, pending};
use tokio::time::{Instant, sleep, timeout};

use super::removal::Diary;
use crate::ways::{ms, ok, secs};

/// `own` removes itself: directly, through `other`, in place and in tasks of their own, and from events.
fn suicidal(diary: &Diary) -> [ServiceDef; 2] {
    let hook = diary.clone();
    let end = |diary: &Diary, what: &'static str| {
        let diary = diary.clone();
        move |cx: Context, _: Value| {
            let diary = diary.clone();
            async move {
                let removed = cx.broker().remove("own").await;
                diary.note(what);
                ok(removed)
            }
        }
    };
    let pass_on =
        |to: &'static str| move |cx: Context, _: Value| async move { cx.call::<bool>(to, ()).await };
    let event = |what| {
        let end = end(diary, what);
        move |cx: Context, data: Value| {
            let ended = end(cx, data);
            async move { ended.await.map(drop) }
        }
    };
    let tell = |event: &'static str| {
        move |cx: Context, _: Value| async move { cx.broker().broadcast_local(event, ()).await.map(|()| true) }
    };
    let own = ServiceDef::builder("own")
        .action("direct", end(diary, "own ended"))
        .action(ActionDef::new("apart").spawn(), end(diary, "own ended"))
        .action("nested", pass_on("other.end"))
        .action(ActionDef::new("nested_apart").spawn(), pass_on("other.end_apart"))
        .action("told", tell("end.other"))
        .action("told_in_order", tell("end.other.in.order"))
        .event("end.own", event("own ended"))
        .event(EventDef::new("end.own.in.order").concurrency(1), event("own ended"))
        .stopped(move || {
            hook.note("own stopped");
            async { ok(()) }
        });
    let other = ServiceDef::builder("other")
        .action("end", end(diary, "other ended"))
        .action(ActionDef::new("end_apart").spawn(), end(diary, "other ended"))
        .event("end.other", event("other ended"))
        .event(EventDef::new("end.other.in.order").concurrency(1), event("other ended"));
    [own.build(), other.build()]
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_removes_its_own_service_is_not_waited_for() {
    let cases = [
        ("own.direct", "own ended"),
        ("own.apart", "own ended"),
        ("own.nested", "other ended"),
        ("own.nested_apart", "other ended"),
        ("own.told", "other ended"),
        ("own.told_in_order", "other ended"),
    ];
    for (action, ended) in cases {
        let diary = Diary::default();
        let [own, other] = suicidal(&diary);
        let broker = TestBroker::new().service(own).service(other).start().await;
        let from = Instant::now();
        assert!(broker.call::<bool>(action, ()).await.unwrap(), "{action}");
        assert_eq!((diary.read(), from.elapsed()), (vec!["own stopped".to_owned(), ended.to_owned()], ms(0)));

        let diary = Diary::default();
        let cluster = Cluster::seeded(1).node("a", []).node("b", suicidal(&diary)).start().await;
        let from = Instant::now();
        assert!(cluster.at("a").call::<bool>(action, ()).await.unwrap(), "{action}");
        assert_eq!(diary.read(), ["own stopped", ended]);
        assert!(from.elapsed() < ms(100), "{action} took {:?}", from.elapsed());
    }
    for event in ["end.own", "end.own.in.order"] {
        for local in [true, false] {
            let diary = Diary::default();
            let [own, other] = suicidal(&diary);
            let broker = TestBroker::new().service(own).service(other).start().await;
            if local {
                broker.broadcast_local(event, ()).await.unwrap();
            } else {
                broker.emit(event, ()).await.unwrap();
            }
            sleep(ms(100)).await;
            assert_eq!(diary.read(), ["own stopped", "own ended"], "{event}, local: {local}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_removes_its_own_service_outlives_the_cut_of_the_others() {
    let removing = |cx: Context, _: Value| async move { ok(cx.broker().remove("own").await) };
    let hang = |_: Context, _: Value| pending::<Result<(), Error>>();
    let own = || {
        let own = ServiceDef::builder("own").action("remove", removing).action("hang", hang);
        own.action(ActionDef::new("remove_apart").spawn(), removing).build()
    };
    for action in ["own.remove", "own.remove_apart"] {
        let cluster = Cluster::seeded(1).node("a", []).node("b", [own()]).start().await;
        for caller in ["a", "b"] {
            let broker = cluster.at(caller);
            if caller == "b" {
                let _ = cluster.at("b").remove("own").await;
                cluster.at("b").add(own()).await.unwrap();
            }
            let hangs = broker.call::<()>("own.hang", ()).timeout(secs(600)).into_future();
            let (hung, removed) = tokio::join!(hangs, broker.call::<bool>(action, ()).into_future());
            assert_eq!(hung.unwrap_err().kind(), ErrorKind::GracefulStopTimeout, "{action} from {caller}");
            assert!(removed.unwrap(), "{action} from {caller}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_emitter_is_waited_for_when_somebody_it_does_not_wait_for_removes_it() {
    let diary = Diary::default();
    let emitter = {
        let (ended, stopped) = (diary.clone(), diary.clone());
        ServiceDef::builder("emitter")
            .action("emit", move |cx: Context, _: Value| {
                let diary = ended.clone();
                async move {
                    cx.emit("remove", ()).await?;
                    sleep(ms(200)).await;
                    diary.note("emitter ended");
                    ok(())
                }
            })
            .stopped(move || {
                stopped.note("emitter stopped");
                async { ok(()) }
            })
    };
    let remover = ServiceDef::builder("remover").event("remove", |cx: Context, _: Value| async move {
        cx.broker().remove("emitter").await;
        ok(())
    });
    let broker = TestBroker::new().service(emitter).service(remover).start().await;
    broker.call::<()>("emitter.emit", ()).await.unwrap();
    timeout(secs(1), async {
        while diary.read().len() < 2 {
            tokio::task::yield_now().await;
            sleep(ms(1)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(diary.read(), ["emitter ended", "emitter stopped"]);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_handler_that_removes_its_own_service_does_not_wait_for_those_behind_it() {
    let diary = Diary::default();
    let (handled, hook) = (diary.clone(), diary.clone());
    let own = ServiceDef::builder("own")
        .event(EventDef::new("end").concurrency(1), move |cx: Context, n: u32| {
            let handled = handled.clone();
            async move {
                tokio::task::yield_now().await;
                assert!(cx.broker().remove("own").await);
                handled.note(&format!("handled {n}"));
                ok(())
            }
        })
        .stopped(move || {
            hook.note("stopped");
            async { ok(()) }
        });
    let broker = TestBroker::new().service(own).start().await;
    for n in 1..=3_u32 {
        broker.emit("end", n).await.unwrap();
    }
    let from = Instant::now();
    timeout(secs(1), async {
        while diary.read().len() < 2 {
            sleep(ms(1)).await;
        }
    })
    .await
    .expect("nobody waits for what can never begin");
    assert!(from.elapsed() < ms(50), "{:?}", from.elapsed());
    assert_eq!(diary.read(), ["stopped", "handled 1"]);
    broker.stop().await.unwrap();
    assert_eq!(diary.read().len(), 2);
}
