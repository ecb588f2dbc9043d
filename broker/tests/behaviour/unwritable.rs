//! Values that cannot be written are an error where they are given, and never null or nothing.

use ligand::call::Call;
use ligand::testing::{MockCaller, TestBroker};
use ligand::{
    ActionDef, Context, Error, ErrorKind, EventDef, Outcome, Payload, ServiceBroker, ServiceBuilder,
    ServiceDef,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ways::{every_way, ok};

/// No JSON has a key like this.
fn unwritable() -> impl Serialize {
    BTreeMap::from([((1, 2), 3)])
}

/// A number that JSON in this process cannot hold, one level down.
fn too_large() -> impl Serialize {
    BTreeMap::from([("limit", u128::MAX)])
}

fn counting() -> (Arc<AtomicUsize>, impl Fn() -> Vec<ServiceDef>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let services = move || {
        let (calls, events) = (Arc::clone(&counted), Arc::clone(&counted));
        let service = ServiceDef::builder("math")
            .action("add", move |_, _: Value| {
                calls.fetch_add(1, Ordering::Relaxed);
                async { ok(1) }
            })
            .event("made", move |_, _: Value| {
                events.fetch_add(1, Ordering::Relaxed);
                async { ok(()) }
            });
        vec![service.build()]
    };
    (runs, services)
}

/// An error of the codec, of something that did not run; its message.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::NotRun));
    error.message().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_call_with_meta_or_a_header_that_cannot_be_written_is_not_made() {
    let (runs, services) = counting();
    every_way(services, async |broker| {
        let call = || broker.call::<Value>("math.add", json!({}));
        assert_eq!(
            refused(call().meta("user", unwritable()).await),
            "the meta value 'user' of the call of 'math.add' cannot be written as JSON: key must be a string"
        );
        assert_eq!(
            refused(call().meta("user", too_large()).meta("ok", 1).await),
            "the meta value 'user' of the call of 'math.add' cannot be written as JSON at `limit`: number out of \
             range"
        );
        // The first is named.
        let message = refused(call().header("hop", unwritable()).meta("user", unwritable()).await);
        assert!(message.starts_with("the header 'hop' of the call of 'math.add' cannot"), "{message}");
        let message = refused(
            broker.call::<()>("math.add", json!({})).header("hop", unwritable()).raw().await
        );
        assert!(message.starts_with("the header 'hop'"), "{message}");
        let site = broker.action("math.add");
        let message = refused(site.call::<Value>(json!({})).meta("user", unwritable()).await);
        assert!(message.starts_with("the meta value 'user'"), "{message}");
    })
    .await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_ones_own_is_not_asked_for_what_cannot_be_written() {
    let mock = MockCaller::new().on("math.add", |_| Ok(json!(1)));
    let call = Call::<Value>::new(&mock, "math.add", Ok(Payload::empty())).meta("user", unwritable());
    assert!(refused(call.await).starts_with("the meta value 'user'"));
    assert!(mock.calls("math.add").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_with_meta_or_a_header_that_cannot_be_written_is_not_sent() {
    let (runs, services) = counting();
    every_way(services, async |broker| {
        let message = refused(broker.emit("made", 1).meta("user", unwritable()).await);
        assert_eq!(
            message,
            "the meta value 'user' of the event 'made' cannot be written as JSON: key must be a string"
        );
        let message = refused(broker.broadcast("made", 1).header("hop", too_large()).meta("a", 1).await);
        assert!(message.starts_with("the header 'hop' of the event 'made'"), "{message}");
        let message = refused(broker.broadcast_local("made", 1).header("hop", unwritable()).await);
        assert!(message.starts_with("the header 'hop' of the event 'made'"), "{message}");
    })
    .await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_sets_what_cannot_be_written_is_told_so() {
    let service = || {
        let set = |cx: Context, _: Value| async move {
            cx.meta().set("kept", 1)?;
            let meta = cx.meta().set("user", unwritable()).unwrap_err();
            let header = cx.headers().set_response("etag", too_large()).unwrap_err();
            assert_eq!((meta.kind(), header.kind()), (ErrorKind::Codec, ErrorKind::Codec));
            ok([meta.message().to_owned(), header.message().to_owned()])
        };
        vec![ServiceDef::builder("web").action("set", set).build()]
    };
    every_way(service, async |broker| {
        let answer = broker.call::<()>("web.set", json!({})).raw().await.unwrap();
        assert_eq!(Value::from(answer.meta.clone()), json!({ "kept": 1 }), "nothing else was set");
        assert!(answer.headers.is_empty());
        let [meta, header]: [String; 2] = answer.decode().unwrap();
        assert_eq!(meta, "the meta value 'user' cannot be written as JSON: key must be a string");
        assert_eq!(header, "the header 'etag' cannot be written as JSON at `limit`: number out of range");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_with_a_definition_that_cannot_be_written_is_refused() {
    let action = |def: ActionDef| ServiceDef::builder("web").action(def, |_, _: Value| async { ok(1) });
    let event = |def: EventDef| ServiceDef::builder("web").event(def, |_, _: Value| async { ok(()) });
    let builder = || ServiceDef::builder("web");
    let wrong: [(ServiceBuilder, &str); 7] = [
        (builder().settings(unwritable()), "its settings cannot be written as JSON: key must be a string"),
        (
            builder().settings(too_large()),
            "its settings cannot be written as JSON at `limit`: number out of range",
        ),
        (builder().settings(5).settings(json!({})), "its settings must be an object"),
        (builder().metadata("text"), "its metadata must be an object"),
        (
            action(ActionDef::new("get").extra("rest", unwritable())),
            "of its action `get` its key `rest` cannot be written as JSON: key must be a string",
        ),
        (
            action(ActionDef::new("get").params(too_large())),
            "of its action `get` its key `params` cannot be written as JSON at `limit`: number out of range",
        ),
        (
            event(EventDef::new("made").extra("tags", unwritable())),
            "of its event `made` its key `tags` cannot be written as JSON: key must be a string",
        ),
    ];
    let running = TestBroker::new().start().await;
    for (service, problem) in wrong {
        let built = ServiceBroker::builder().service(service.clone()).build().unwrap_err().to_string();
        assert!(built.contains("web") && built.contains(problem), "{built}, expected {problem}");
        let added = running.add(service).await.unwrap_err().to_string();
        assert!(added.contains("web") && added.contains(problem), "{added}, expected {problem}");
    }
    // Nothing is nothing, and no mistake.
    running.add(builder().settings(()).metadata(None::<Value>)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_for_several_whose_data_cannot_be_written_has_reached_nobody() {
    let (runs, services) = counting();
    let other = ServiceDef::builder("other").event("made", |_, _: Value| async { ok(()) }).build();
    let broker = TestBroker::new().service(services().remove(0)).service(other).start().await;
    refused(broker.emit("made", Payload::typed(BTreeMap::from([((1, 2), 3)]))).await);
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}
