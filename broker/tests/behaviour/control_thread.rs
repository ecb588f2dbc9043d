//! Handlers that block their thread, on the real clock: nobody takes their node for dead.

use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{ServiceBroker, ServiceDef};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tests_support::outsider::peer::Peer;
use tests_support::within;

use crate::ways::{ok, secs};

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
    let network = Network::new();
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let rude = ServiceDef::builder("rude")
        .action("block", move |_, _: Value| {
            let (begun, released) = (begun.clone(), Arc::clone(&released));
            async move {
                begun.try_send(()).unwrap();
                // What nobody should do in a handler, and somebody will. A test that fails lets it go, too.
                let _ = released.lock().unwrap().recv();
                ok("done")
            }
        })
        .action("echo", |_, body: Value| async move { ok(body) })
        .build();
    let a = broker(&network, "a", vec![]);
    let b = broker(&network, "b", vec![rude]);
    a.start().await.unwrap();
    b.start().await.unwrap();
    a.wait_for_within(&["rude"], secs(5)).await.unwrap();
    let listener = Peer::join(&network, "listener").await;
    let mut gone = a.local_events("$node.disconnected");
    let mut missed = b.local_events("$node.disconnected");

    let blocked = {
        let a = a.clone();
        tokio::spawn(async move { a.call::<String>("rude.block", ()).await })
    };
    // An answer that is given in the same turn, before the blocking handler begins, may lie in the slot of
    // the blocked worker from which tokio lets no other worker take a task. So begin after it has begun.
    within("the handler begins", begins.recv()).await.unwrap();
    listener.heard(PacketKind::Heartbeat);
    // So many take longer than the time after which a node without heartbeats is gone.
    for beat in 0..5 {
        let of_b = |packet: &[u8]| String::from_utf8_lossy(packet).contains(r#""sender":"b""#);
        listener.hears_where(PacketKind::Heartbeat, of_b).await;
        for call in 0..20 {
            let echo = a.call::<(u32, u32)>("rude.echo", (beat, call)).timeout(secs(2)).await;
            assert_eq!(
                echo.unwrap_or_else(|error| panic!("call {call} after {beat}: {error}")),
                (beat, call)
            );
        }
    }
    assert!(a.ping(b.node_id()).await.unwrap().is_some());
    release.send(()).unwrap();
    assert_eq!(blocked.await.unwrap().unwrap(), "done");
    assert_eq!((gone.try_recv(), missed.try_recv()), (None, None));
    a.stop().await.unwrap();
    b.stop().await.unwrap();
}
