//! Handlers that block their thread, on the real clock: nobody takes their node for dead.

use ligand::transport::memory::Network;
use ligand::{ServiceBroker, ServiceDef};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ways::{ms, ok, secs};

fn broker(network: &Network, name: &str, services: Vec<ServiceDef>) -> ServiceBroker {
    let builder =
        ServiceBroker::builder().node_id(name).transporter(network.transporter()).configure(|config| {
            config.heartbeat_interval = secs(1);
            config.heartbeat_timeout = secs(3);
        });
    services.into_iter().fold(builder, |builder, service| builder.service(service)).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_causes_no_false_disconnect_and_others_are_answered() {
    const BLOCKS: Duration = secs(10);
    let network = Network::new();
    let blocks = Arc::new(AtomicBool::new(false));
    let rude = ServiceDef::builder("rude")
        .action("block", {
            let blocks = Arc::clone(&blocks);
            move |_, _: Value| {
                let blocks = Arc::clone(&blocks);
                async move {
                    blocks.store(true, Ordering::Relaxed);
                    // What nobody should do in a handler, and somebody will.
                    std::thread::sleep(BLOCKS);
                    ok("done")
                }
            }
        })
        .action("echo", |_, body: Value| async move { ok(body) })
        .build();
    let a = broker(&network, "a", vec![]);
    let b = broker(&network, "b", vec![rude]);
    a.start().await.unwrap();
    b.start().await.unwrap();
    a.wait_for_within(&["rude"], secs(5)).await.unwrap();
    let mut gone = a.local_events("$node.disconnected");
    let mut missed = b.local_events("$node.disconnected");

    let blocked = {
        let a = a.clone();
        tokio::spawn(async move { a.call::<String>("rude.block", ()).await })
    };
    // An answer that is given in the same turn, before the blocking handler begins, may lie in the slot of
    // the blocked worker from which tokio lets no other worker take a task. So begin after it has begun.
    while !blocks.load(Ordering::Relaxed) {
        tokio::time::sleep(ms(1)).await;
    }
    let from = std::time::Instant::now();
    let mut answered = 0;
    while from.elapsed() < BLOCKS - ms(500) {
        let echo = a.call("rude.echo", answered).timeout(secs(2)).await;
        let echo: u32 =
            echo.unwrap_or_else(|error| panic!("call {answered} after {:?}: {error}", from.elapsed()));
        assert_eq!(echo, answered);
        answered += 1;
        tokio::time::sleep(ms(10)).await;
    }
    assert!(answered > 20, "only {answered} calls were answered meanwhile");
    assert!(a.ping(b.node_id()).await.unwrap().is_some());
    assert_eq!(blocked.await.unwrap().unwrap(), "done");
    assert_eq!((gone.try_recv(), missed.try_recv()), (None, None));
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}
