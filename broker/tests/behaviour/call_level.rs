//! Calls that call further calls, without end.

use ligand::testing::{Cluster, TestBroker};
use ligand::{Code, Context, Error, ErrorKind, ServiceDef};
use serde_json::json;

/// Calls itself, or its twin, and tells how deep it got when it is refused.
fn endless(name: &'static str, next: &'static str) -> ServiceDef {
    ServiceDef::builder(name)
        .action("dive", move |cx: Context, (): ()| async move { cx.call::<u32>(next, ()).await })
        .action("depth", move |cx: Context, stop: u32| async move {
            match cx.level() {
                level if level >= stop => Ok::<_, Error>(level),
                _ => cx.call("endless.depth", stop).await,
            }
        })
        .build()
}

/// Runs on a stack of 2 MiB, which is what a thread gets unless told otherwise.
fn on_a_small_stack(test: impl Future<Output = ()> + Send + 'static) {
    let run = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(test);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_service_that_calls_itself_without_end_is_stopped_at_level_100() {
    on_a_small_stack(async {
        let broker = TestBroker::new().service(endless("endless", "endless.dive")).start().await;
        let error = broker.call::<u32>("endless.dive", ()).await.unwrap_err();
        assert_eq!((error.kind(), error.code().unwrap()), (ErrorKind::MaxCallLevel, &Code::Number(500)));
        assert_eq!(error.data(), Some(&json!({ "nodeID": "test", "level": 100 })));
        assert_eq!(broker.call::<u32>("endless.depth", 100).await.unwrap(), 100);
    });
}

#[test]
fn two_nodes_that_call_each_other_without_end_are_stopped_too() {
    on_a_small_stack(async {
        let cluster = Cluster::seeded(1)
            .node("a", [endless("ping", "pong.dive")])
            .node("b", [endless("pong", "ping.dive")])
            .start()
            .await;
        let error = cluster.at("a").call::<u32>("pong.dive", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MaxCallLevel);
        assert_eq!(error.data().unwrap()["level"], 100);
        for node in ["a", "b"] {
            assert_eq!(cluster.at(node).stats().pending, 0);
        }
    });
}

#[test]
fn the_limit_can_be_set_and_lifted() {
    on_a_small_stack(async {
        let endless = || endless("endless", "endless.dive");
        let broker =
            TestBroker::new().service(endless()).configure(|config| config.max_call_level = 5).start().await;
        let error = broker.call::<u32>("endless.dive", ()).await.unwrap_err();
        assert_eq!(error.data().unwrap()["level"], 5);
        let broker =
            TestBroker::new().service(endless()).configure(|config| config.max_call_level = 0).start().await;
        assert_eq!(broker.call::<u32>("endless.depth", 1000).await.unwrap(), 1000);
    });
}
