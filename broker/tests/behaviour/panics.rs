//! Handlers that panic.

use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::{ActionDef, Context, Error, ErrorKind, Outcome, ServiceBroker, ServiceDef};
use serde_json::Value;
use tests_support::log::Log;

use crate::ways::{every_way, face, ms, ok};

const SECRET: &str = "the password is swordfish";

fn fragile() -> ServiceDef {
    let late = |_, _: Value| async {
        tokio::time::sleep(ms(1)).await;
        panic!("{SECRET}");
        #[allow(unreachable_code, reason = "says what is returned")]
        ok(())
    };
    ServiceDef::builder("fragile")
        .action("now", |_, _: Value| async {
            panic!("{SECRET}");
            #[allow(unreachable_code, reason = "says what is returned")]
            ok(())
        })
        .action("late", late)
        .action(ActionDef::new("spawned").spawn(), late)
        .action("early", |_, _: Value| -> std::future::Ready<Result<(), Error>> { panic!("{SECRET}") })
        .action_blocking("blocking", |_, _: Value| -> Result<(), Error> { panic!("{SECRET}") })
        .action("fine", |_, _: Value| async { ok("fine") })
        .event("break", |_, _: Value| async {
            panic!("{SECRET}");
            #[allow(unreachable_code, reason = "says what is returned")]
            ok(())
        })
        .build()
}

async fn is_fine(broker: &ServiceBroker) {
    assert_eq!(broker.call::<String>("fragile.fine", ()).await.unwrap(), "fine");
}

#[tokio::test(start_paused = true)]
async fn a_panic_becomes_an_error_and_the_node_lives_on() {
    for action in ["now", "late", "spawned", "early", "blocking"] {
        let found = every_way(
            || vec![fragile()],
            async |broker| {
                let error = broker.call::<()>(format!("fragile.{action}"), ()).await.unwrap_err();
                is_fine(broker).await;
                assert_eq!(
                    (error.kind(), error.outcome()),
                    (ErrorKind::HandlerPanic, Outcome::Ran),
                    "{action}"
                );
                face(&error)
            },
        );
        let face = found.await;
        assert_eq!(face["type"], "HANDLER_PANIC");
        assert!(
            !face.to_string().contains("swordfish"),
            "the text of the panic stays where it happened: {face}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_event_handler_disturbs_nobody() {
    let log = EventLog::of("break");
    let broker = TestBroker::new().service(fragile()).service(log.clone()).start().await;
    broker.broadcast("break", ()).await.unwrap();
    broker.broadcast_local("break", ()).await.unwrap();
    assert_eq!(log.wait_for(2).await.len(), 2);
    is_fine(&broker).await;

    let cluster = Cluster::seeded(1).node("a", []).node("b", [fragile()]).start().await;
    cluster.at("a").emit("break", ()).await.unwrap();
    cluster.advance(ms(10)).await;
    is_fine(cluster.at("a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_a_nested_call_is_the_callers_error_too() {
    let outer = ServiceDef::builder("outer")
        .action("call", |cx: Context, _: Value| async move { cx.call::<()>("fragile.now", ()).await });
    let broker = TestBroker::new().service(fragile()).service(outer).start().await;
    let error = broker.call::<()>("outer.call", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandlerPanic);
    is_fine(&broker).await;
}

#[tokio::test]
async fn the_line_of_a_panic_names_service_action_and_request() {
    let log = Log::of_this_thread(tracing::Level::INFO);
    let broker = TestBroker::new().service(fragile()).start().await;
    for action in ["now", "late", "spawned", "early", "blocking"] {
        let call = broker.call::<()>(format!("fragile.{action}"), ()).request_id(format!("asked-{action}"));
        call.await.unwrap_err();
        let lines = log.with("handler panicked");
        let line = lines.iter().find(|line| line.contains(&format!("request_id=asked-{action}")));
        let line = line.unwrap_or_else(|| panic!("{action}: {lines:?}"));
        for part in ["ERROR", "service=\"fragile\"", &format!("action=fragile.{action}"), SECRET] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    broker.broadcast_local("break", 1).await.unwrap();
    let lines = log.with("handler panicked");
    let line = lines.iter().find(|line| line.contains("event=break")).unwrap();
    assert!(line.contains("service=\"fragile\"") && line.contains("request_id="), "{line}");
}
