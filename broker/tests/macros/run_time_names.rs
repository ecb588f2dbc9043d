//! Services and clients under a name that is given at run time.

use std::sync::Mutex;

use ligand::testing::MockCaller;
use ligand::transport::memory::Network;
use ligand::{
    CallError, Code, Context, Error, ErrorKind, Outcome, Result, ServiceBroker, ServiceCx, ServiceDef,
    StartError, client, service,
};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::ways::{Way, alone, node, on_every_way};

type Notes = Arc<Mutex<Vec<String>>>;

/// One tenant's stock.
struct Stock {
    tenant: &'static str,
    notes: Notes,
}

impl Stock {
    fn of(tenant: &'static str, notes: &Notes) -> Self {
        Self { tenant, notes: Arc::clone(notes) }
    }

    fn note(&self, what: &str) {
        self.notes.lock().unwrap().push(format!("{} {what}", self.tenant));
    }
}

/// What every stock does.
#[client(name = "stock", version = 2)]
trait Shelf {
    async fn whose(sku: String) -> String;
    #[action(name = "list.all")]
    async fn list() -> Vec<String>;
}

#[service(name = "stock", version = 2, depends_on = ["prices"], implements = Shelf)]
impl Stock {
    #[action]
    async fn whose(&self, ctx: Context, sku: String) -> Result<String> {
        Ok(format!("{sku} {} by {}", self.tenant, ctx.name()))
    }

    #[action(name = "list.all")]
    async fn list(&self) -> Result<Vec<String>> {
        Ok(vec![self.tenant.to_owned()])
    }

    #[event("stock.counted")]
    async fn on_counted(&self) -> Result<()> {
        self.note("counted");
        Ok(())
    }

    #[event("stock.moved", group = "movers")]
    async fn on_moved(&self) -> Result<()> {
        self.note("moved");
        Ok(())
    }

    #[started]
    async fn open(&self, _cx: ServiceCx) -> Result<()> {
        self.note("started");
        Ok(())
    }

    #[stopped]
    async fn close(&self) -> Result<()> {
        self.note("stopped");
        Ok(())
    }
}

fn two(notes: &Notes) -> [ServiceDef; 2] {
    let eu = ServiceDef::of(Stock::of("eu", notes)).named("stock-eu");
    let us = ServiceDef::of(Stock::of("us", notes)).named("stock-us").versioned("next");
    assert_eq!([eu.full_name().as_str(), us.full_name().as_str()], ["v2.stock-eu", "next.stock-us"]);
    [eu, us]
}

async fn serving(notes: &Notes, network: Option<&Network>) -> ServiceBroker {
    let [eu, us] = two(notes);
    let mut broker = ServiceBroker::builder()
        .node_id("server")
        .service(eu)
        .service(us)
        .service(ServiceDef::builder("prices").build());
    if let Some(network) = network {
        broker = broker.transporter(network.transporter());
    }
    let broker = broker.build().unwrap();
    broker.start().await.unwrap();
    broker
}

async fn calls(broker: &ServiceBroker) {
    let stock = StockClient::new(broker);
    let eu = stock.clone().named("v2.stock-eu");
    let us = ShelfClient::new(broker.clone()).named(format!("next.stock-{}", "us"));
    assert_eq!(eu.whose("chair".into()).await.unwrap(), "chair eu by v2.stock-eu.whose");
    assert_eq!(us.whose("chair".into()).await.unwrap(), "chair us by next.stock-us.whose");
    assert_eq!((eu.list().await.unwrap(), us.list().await.unwrap()), (vec!["eu".into()], vec!["us".into()]));
    // The name it was written with is nobody's here.
    let error = stock.list().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
}

#[tokio::test]
async fn two_instances_of_one_type_are_two_services_of_one_broker() {
    let notes = Notes::default();
    let broker = serving(&notes, None).await;
    calls(&broker).await;
    broker.stop().await.unwrap();
    let notes = notes.lock().unwrap().clone();
    let hooks = ["eu started", "us started", "us stopped", "eu stopped"];
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(hooks.iter().all(|hook| notes.iter().any(|note| note == hook)), "{notes:?}");
}

#[tokio::test]
async fn another_node_calls_each_by_its_name_and_knows_nothing_of_the_type() {
    let (network, notes) = (Network::new(), Notes::default());
    let server = serving(&notes, Some(&network)).await;
    let caller = node(&network, "caller").await;
    caller.wait_for(&["v2.stock-eu", "next.stock-us"]).await.unwrap();
    calls(&caller).await;
    let services: Vec<Value> = caller.call("$node.services", json!({ "skipInternal": true })).await.unwrap();
    let mut names: Vec<_> = services.iter().map(|service| service["fullName"].clone()).collect();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["next.stock-us", "prices", "v2.stock-eu"]);
    caller.stop().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn events_go_to_the_group_of_the_new_name() {
    let notes = Notes::default();
    let broker = serving(&notes, None).await;
    notes.lock().unwrap().clear();
    // One group each: both hear of it.
    broker.emit("stock.counted", json!({})).await.unwrap();
    // One group for both: one hears of it.
    broker.emit("stock.moved", json!({})).await.unwrap();
    broker.emit("stock.counted", json!({})).group("stock-us").await.unwrap();
    // Nobody is in the group of the name it was written with.
    broker.emit("stock.counted", json!({})).group("stock").await.unwrap();
    broker.stop().await.unwrap();
    let count = |what: &str| notes.lock().unwrap().iter().filter(|note| note.ends_with(what)).count();
    assert_eq!((count("eu counted"), count("us counted"), count("moved")), (1, 2, 1));
}

#[tokio::test]
async fn others_depend_on_the_new_name() {
    let notes = Notes::default();
    let [eu, us] = two(&notes);
    let shop = ServiceDef::builder("shop").depends_on(["v2.stock-eu", "next.stock-us"]).started({
        let notes = Arc::clone(&notes);
        move |_: ServiceCx| {
            notes.lock().unwrap().push("shop started".into());
            async { Ok::<_, Error>(()) }
        }
    });
    let prices = ServiceDef::builder("prices");
    let broker =
        ServiceBroker::builder().service(shop).service(eu).service(us).service(prices).build().unwrap();
    broker.start().await.unwrap();
    assert_eq!(notes.lock().unwrap().last().map(String::as_str), Some("shop started"));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_service_may_have_is_refused_and_says_why() {
    let notes = Notes::default();
    let def = |name: &str| ServiceDef::of(Stock::of("eu", &notes)).named(name);
    for (def, expected) in [
        (def("stock eu"), "its name holds ' '"),
        (def("$stock"), "its name begins with `$`"),
        (def(""), "its name is empty"),
        (def("stock").versioned("a b"), "its version `a b` holds ' '"),
    ] {
        let error = ServiceBroker::builder().service(def.clone()).build().unwrap_err().to_string();
        assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
        let broker = alone(ServiceDef::builder("prices")).await;
        let error = broker.add(def).await.unwrap_err();
        assert!(matches!(&error, StartError::Service { .. }) && error.to_string().contains(expected));
        broker.stop().await.unwrap();
    }
    // One name twice is one service twice.
    let twice = ServiceBroker::builder().service(def("stock-eu")).service(def("stock-eu")).build();
    assert!(twice.unwrap_err().to_string().contains("v2.stock-eu"));
}

#[tokio::test]
async fn a_client_of_a_name_that_no_service_has_says_why_and_calls_nobody() {
    let mock = MockCaller::new();
    for (name, expected) in [
        ("stock eu", "The client of 'v2.stock' was given the service name 'stock eu', which holds ' '"),
        ("", "'', which is empty"),
        ("$stock", "begins with `$`"),
        ("v2.", "has a `.` with nothing beside it"),
        (&"x".repeat(256), "is longer than 255 bytes"),
    ] {
        let error = StockClient::new(&mock).named(name).list().await.unwrap_err();
        assert_eq!((error.error_type(), error.outcome()), (Some("BAD_SERVICE_NAME"), Outcome::NotRun));
        assert_eq!((error.code(), error.is_retryable()), (Some(&Code::Number(422)), false));
        assert!(error.to_string().contains(expected), "expected: {expected}\nfound: {error}");
        let raw = StockClient::new(&mock).named(name).list().raw().await.unwrap_err();
        assert_eq!(raw.error_type(), Some("BAD_SERVICE_NAME"));
    }
    assert_eq!(mock.calls("v2.stock.list.all"), [Value::Null; 0]);
    // Somebody else's service may be called what Node lets pass.
    let mock = mock.on("my mail.list.all", |_| Ok(json!(["x"])));
    assert_eq!(ShelfClient::new(&mock).named("my mail").list().await.unwrap(), ["x"]);
    let error = ShelfClient::new(&mock).named("a\nb").list().await.unwrap_err();
    assert!(error.to_string().contains("'a\\nb', which holds '\\n'"), "{error}");
}

#[derive(Debug, PartialEq, thiserror::Error, ligand::ActionError)]
#[error("closed")]
struct Closed;

struct Till;

#[service(name = "till", error = Closed)]
impl Till {
    #[action]
    async fn open(&self) -> Result<bool, Closed> {
        Err(Closed)
    }
}

#[tokio::test]
async fn an_error_of_the_service_comes_back_under_any_name() {
    on_every_way(
        || ServiceDef::of(Till).named("till-1"),
        async |broker, way: Way| {
            let till = TillClient::new(broker);
            let error = till.clone().named("till-1").open().await.unwrap_err();
            assert_eq!(error.service(), Some(&Closed), "{way:?}");
            let error = till.named("till 1").open().await.unwrap_err();
            assert!(matches!(error, CallError::Other(_)), "{error:?}");
        },
    )
    .await;
}
