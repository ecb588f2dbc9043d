//! Names that the transporter has no topic for. Where nodes balance, names travel in the packet and may be
//! anything; where the bus balances, they are part of the topic.

use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::{Context, Error, ErrorKind, Outcome, ServiceDef};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bus::{ALLOWED, Server};
use crate::ways::{ok, secs};

/// A node that asks, and one that offers what has a `_` in its name and counts events.
async fn two(balanced: bool, events: &Arc<AtomicUsize>) -> (RunningBroker, RunningBroker) {
    let network = Network::new();
    let server = Server::on(&network);
    let start = |id: &str, server: &Server, service: ServiceDef| {
        let broker = TestBroker::new().node_id(id).transporter(server.clone()).service(service);
        broker.configure(move |config| config.disable_balancer = balanced).start()
    };
    let events = Arc::clone(events);
    let service = ServiceDef::builder("odd").action("is_odd", |_, _: Value| async { ok(1) }).event(
        "was_odd",
        move |_: Context, _: Value| {
            events.fetch_add(1, Ordering::Relaxed);
            async { ok(()) }
        },
    );
    let b = start("b", &Server::on(&network), service.build()).await;
    let a = start("a", &server, ServiceDef::builder("other").build()).await;
    a.wait_for(&["odd"]).await.unwrap();
    (a, b)
}

fn is_refused(error: &Error, name: &str) {
    let text = error.to_string();
    assert!(text.contains(name) && text.contains(ALLOWED), "{text}");
    assert_eq!((error.outcome(), error.is_retryable()), (Outcome::NotRun, false), "{text}");
    assert_eq!((error.kind(), error.error_type()), (ErrorKind::Application, Some("NO_TOPIC")));
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_cannot_carry_fails_as_not_run_and_says_what_it_can() {
    let events = Arc::default();
    let (a, b) = two(true, &events).await;
    is_refused(&a.emit("was_odd", 1).await.unwrap_err(), "was_odd");
    is_refused(&a.call::<u64>("odd.is_odd", ()).await.unwrap_err(), "odd.is_odd");
    is_refused(&a.emit("even", 1).group("no_group").await.unwrap_err(), "even");
    // To a node, by its name, it goes in the packet.
    assert_eq!(a.call::<u64>("odd.is_odd", ()).node(b.node_id()).await.unwrap(), 1);
    a.broadcast("was_odd", 2).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(events.load(Ordering::Relaxed), 1, "only what was broadcast");
}

#[tokio::test(start_paused = true)]
async fn where_nodes_balance_a_name_is_whatever_it_is() {
    let events = Arc::default();
    let (a, _b) = two(false, &events).await;
    a.emit("was_odd", 1).await.unwrap();
    assert_eq!(a.call::<u64>("odd.is_odd", ()).await.unwrap(), 1);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(events.load(Ordering::Relaxed), 1);
}
