//! What `tracing` is told: spans with names and fields that programs rely on, and no customer's data.

use ligand::testing::{Cluster, TestBroker};
use ligand::transport::memory::Network;
use ligand::{Context, Error, ServiceDef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tests_support::log;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context as Place, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::ways::ok;

/// Must never be seen.
const SECRET: &str = "canary-4711";

#[derive(Debug, Clone, Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Fields {
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[derive(Debug, Default)]
struct Told {
    spans: Vec<(&'static str, Fields)>,
    /// Each with the name of the span around it.
    events: Vec<(Option<&'static str>, Fields)>,
}

/// What is told on this thread, until dropped.
struct Recorder {
    told: Arc<Mutex<Told>>,
    _guard: DefaultGuard,
}

struct Recording(Arc<Mutex<Told>>);

impl Recording {
    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recording {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Place<'_, S>) {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.note(|told| told.spans.push((span.metadata().name(), fields)));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Place<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.note(|told| told.spans.push(("recorded later", fields)));
    }

    fn on_event(&self, event: &Event<'_>, place: Place<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let around = place.lookup_current().map(|span| span.name());
        self.note(|told| told.events.push((around, fields)));
    }
}

impl Recorder {
    fn start(level: LevelFilter) -> Self {
        let told = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Recording(Arc::clone(&told)).with_filter(level));
        Self { told, _guard: log::subscribe(subscriber) }
    }

    fn take(&self) -> Told {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Told {
    /// The spans of this name, the actions and events of the framework itself apart.
    fn spans(&self, name: &str) -> Vec<&Fields> {
        let own = |fields: &Fields| fields.get("service").is_some_and(|service| service.starts_with('$'));
        self.spans
            .iter()
            .filter(|(is, fields)| *is == name && !own(fields))
            .map(|(_, fields)| fields)
            .collect()
    }
}

/// `till` on node `a` asks `bank` on node `b`, which tells `mail` on node `a`.
async fn payment() -> Cluster {
    let till = ServiceDef::builder("till").action("pay", |cx: Context, params: Value| async move {
        let _: Value = cx.call("bank.book", params).await?;
        ok(1)
    });
    let bank = ServiceDef::builder("bank").action("book", |cx: Context, params: Value| async move {
        cx.emit("money.booked", params.clone()).await?;
        ok(params)
    });
    let mail =
        ServiceDef::builder("mail").event("money.*", |_: Context, _: Value| async { Ok::<_, Error>(()) });
    let a = [till.build(), mail.build()];
    let cluster = Cluster::seeded(1).node("a", a).node("b", [bank.build()]).start().await;
    let call = cluster.at("a").call::<Value>("till.pay", json!({ "card": SECRET }));
    let paid = call.meta("who", SECRET).header("key", SECRET).request_id(REQUEST).await.unwrap();
    assert_eq!(paid, 1);
    cluster.settle().await;
    cluster
}

const REQUEST: &str = "request-1";

#[tokio::test(start_paused = true)]
async fn handlers_run_in_spans_that_say_what_is_done_where_and_for_whom() {
    let recorder = Recorder::start(LevelFilter::DEBUG);
    let cluster = payment().await;
    let told = recorder.take();
    let [pay, book] = told.spans("action")[..] else { panic!("{told:?}") };
    let [booked] = told.spans("event")[..] else { panic!("{told:?}") };
    let all = ["action", "caller", "level", "node", "parent_id", "request_id", "service"];
    assert_eq!(book.keys(), all);
    assert_eq!(
        pay.keys(),
        all.into_iter().filter(|key| !["caller", "parent_id"].contains(key)).collect::<Vec<_>>()
    );
    assert_eq!(booked.keys(), ["caller", "event", "level", "node", "parent_id", "request_id", "service"]);
    for (span, name, service, node, caller, level) in [
        (pay, "till.pay", "till", "a", None, "1"),
        (book, "bank.book", "bank", "a", Some("till"), "2"),
        (booked, "money.booked", "mail", "b", Some("bank"), "3"),
    ] {
        assert_eq!(span.get("action").or(span.get("event")), Some(name));
        let found = [span.get("service"), span.get("node"), span.get("caller"), span.get("level")];
        assert_eq!(found, [Some(service), Some(node), caller, Some(level)], "{name}");
        assert_eq!(span.get("request_id"), Some(REQUEST), "{name}");
    }
    assert_ne!(book.get("parent_id"), booked.get("parent_id"));
    drop(cluster);
}

#[tokio::test(start_paused = true)]
async fn connecting_and_stopping_have_spans_and_what_is_logged_meanwhile_stands_in_them() {
    let recorder = Recorder::start(LevelFilter::DEBUG);
    let network = Network::new();
    let hang = ServiceDef::builder("slow").stopped(|| async { Err::<(), _>(Error::internal("stuck")) });
    let broker = TestBroker::new().node_id("n").service(hang.build()).transporter(network.transporter());
    let broker = broker.start().await;
    let told = recorder.take();
    let [connect] = told.spans("connect")[..] else { panic!("{told:?}") };
    assert_eq!(connect.keys(), ["node", "transporter"]);
    assert_eq!((connect.get("node"), connect.get("transporter")), (Some("n"), Some("memory")));
    assert!(told.spans("stop").is_empty());

    broker.stop().await.unwrap_err();
    broker.stop().await.unwrap();
    let told = recorder.take();
    let [stop] = told.spans("stop")[..] else { panic!("once, however often it is asked for: {told:?}") };
    assert_eq!((stop.keys(), stop.get("node")), (vec!["node"], Some("n")));
    let failed = |(_, fields): &&(_, Fields)| fields.get("message") == Some("stopping failed in part");
    let (around, _) = told.events.iter().find(failed).expect("what fails is logged");
    assert_eq!(*around, Some("stop"));
}

#[tokio::test(start_paused = true)]
async fn no_span_is_built_where_only_info_is_wanted() {
    let recorder = Recorder::start(LevelFilter::INFO);
    let mut cluster = payment().await;
    for node in ["a", "b"] {
        cluster.stop(node).await;
    }
    let told = recorder.take();
    assert!(told.spans.is_empty(), "{:?}", told.spans);
    let begins =
        |fields: &Fields, text: &str| fields.get("message").is_some_and(|message| message.starts_with(text));
    let lines = |text: &str| told.events.iter().filter(|(_, fields)| begins(fields, text)).count();
    assert_eq!((lines("broker started"), lines("broker stopped")), (2, 2), "{:?}", told.events);
}

#[tokio::test(start_paused = true)]
async fn parameters_meta_and_headers_are_never_recorded() {
    let recorder = Recorder::start(LevelFilter::TRACE);
    let cluster = payment().await;
    // Where something goes wrong with them, too.
    let refuses = ServiceDef::builder("refuses").action("all", |_: Context, _: u64| async { ok(1) });
    let broker = TestBroker::new().through_codec().service(refuses.build()).start().await;
    broker.call::<u64>("refuses.all", json!({ "card": SECRET })).meta("who", SECRET).await.unwrap_err();
    broker.call::<u64>("refuses.nothing", json!(SECRET)).header("key", SECRET).await.unwrap_err();
    let told = recorder.take();
    assert!(told.spans.len() >= 4, "{told:?}");
    assert!(!format!("{told:?}").contains(SECRET), "{told:#?}");
    drop(cluster);
}
