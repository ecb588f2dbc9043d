//! What becomes of calls and of the registry when connections break, stall, and come back.

use ligand::{Error, ErrorKind, Outcome, ServiceBroker};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests_support::{free_port, is, until, within};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::peer::{Peer, REQUEST, service};
use crate::support::{
    builder, echo, loopback, row, sees, started, stop, until_counted, until_it_echoes, until_it_sees,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named_with_what_to_do() {
    let port = free_port();
    let first = started("a", loopback().port(port)).await;
    let second = builder("b", loopback().port(port)).build().unwrap();
    let error = second.start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"), "{error}");
    stop([&first]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_advertises_is_what_others_list() {
    let a = started("a", loopback()).await;
    let urls = format!("127.0.0.1:{}/a", crate::support::port_of(&a).await);
    let b = builder("b", loopback().urls(urls))
        .configure(|config| {
            config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned(), "127.0.0.9".to_owned()]);
            config.metadata.insert("zone".to_owned(), json!("eu"));
        })
        .service(echo())
        .build()
        .unwrap();
    b.start().await.unwrap();
    until_it_echoes(&a, "b").await;
    let listed = row(&a, "b").await.unwrap();
    assert_eq!(listed["hostname"], "127.0.0.1");
    assert_eq!(listed["ipList"], json!(["127.0.0.1", "127.0.0.9"]));
    assert_eq!(listed["port"], crate::support::port_of(&b).await);
    assert_eq!(listed["metadata"], json!({ "zone": "eu" }));
    assert_eq!(listed["instanceID"], b.instance_id().as_str());
    assert_eq!((&listed["client"]["type"], &listed["local"]), (&json!("rust"), &json!(false)));
    // The same question asked of the other node over the network.
    let remote: Value = a.call("$node.list", json!({})).node(b.node_id()).await.unwrap();
    let ids: Vec<_> = remote.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"a") && ids.contains(&"b"), "{ids:?}");
    stop([&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_advertises_another_port_is_reached_there() {
    let (inside, outside) = (free_port(), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let public = outside.local_addr().unwrap().port();
    let mapping = tokio::spawn(async move {
        while let Ok((mut from, _)) = outside.accept().await {
            if let Ok(mut to) = tokio::net::TcpStream::connect(("127.0.0.1", inside)).await {
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
            }
        }
    });
    let a = started("a", loopback()).await;
    let tcp = loopback().port(inside).urls(format!("127.0.0.1:{}/a", crate::support::port_of(&a).await));
    let b = builder("b", tcp.with(|options| options.advertised_port = Some(public))).service(echo());
    let b = b.build().unwrap();
    b.start().await.unwrap();
    until_it_echoes(&a, "b").await;
    assert_eq!(row(&a, "b").await.unwrap()["port"], public);
    let answer: Value = a.call("echo.echo", json!("mapped")).node(b.node_id()).await.unwrap();
    assert_eq!(answer, "mapped");
    stop([&a, &b]).await;
    mapping.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_the_same_id_and_port_is_seen_within_five_seconds() {
    let (port, a) = (free_port(), started("a", loopback()).await);
    let tcp = || loopback().port(port);
    let urls = format!("127.0.0.1:{}/a", crate::support::port_of(&a).await);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = builder("b", tcp().urls(urls.clone())).service(echo()).build().unwrap();
    let starting = first.clone();
    runtime.spawn(async move { starting.start().await }).await.unwrap().unwrap();
    until_it_sees(&a, "b").await;
    runtime.shutdown_background();
    drop(first);

    // Whatever is left of the old run holds the port for a moment.
    let second = until("the port is free", async || {
        let second = builder("b", tcp().urls(urls.clone())).service(echo()).build().unwrap();
        second.start().await.map(|()| second)
    })
    .await;
    let from = Instant::now();
    until("the restart is seen", async || {
        is(row(&a, "b").await, |row| {
            row.as_ref().is_some_and(|row| row["instanceID"] == second.instance_id().as_str())
        })
    })
    .await;
    println!("a restart was seen after {:.1?}", from.elapsed());
    assert!(from.elapsed() < Duration::from_secs(5), "it took {:?}", from.elapsed());
    until_it_echoes(&a, "b").await;
    let answer: Value = a.call("echo.echo", json!(1)).node(second.node_id()).await.unwrap();
    assert_eq!(answer, 1);
    stop([&a, &second]).await;
}

/// A node, and a peer of it that answers nothing.
async fn caller_and_sink() -> (ServiceBroker, Peer) {
    let tcp = loopback().with(|options| options.send_buffer_bytes = 256 * 1024);
    let node = builder("node", tcp).build().unwrap();
    node.start().await.unwrap();
    let peer = Peer::join("peer", &node, service("sink", "take")).await;
    (node, peer)
}

/// One call with as many bytes.
async fn call(node: ServiceBroker, bytes: usize) -> Error {
    node.call::<Value>("sink.take", json!("x".repeat(bytes))).await.unwrap_err()
}

/// A buffer that had no room for so long is full, not just slower than its writer.
const STALLED: Duration = Duration::from_millis(200);

/// Calls until the peer that does not read has filled every buffer on the way; the calls that wait, and
/// what a further one fails with.
async fn fill(node: &ServiceBroker) -> (JoinSet<Error>, Error) {
    let mut calls = JoinSet::new();
    loop {
        calls.spawn(call(node.clone(), 60_000));
        // Each either waits for its answer, or was refused and is gone.
        within("each call waits or is refused", async {
            while node.stats().pending as usize != calls.len() {
                while let Some(done) = calls.try_join_next() {
                    assert_eq!(done.unwrap().kind(), ErrorKind::QueueIsFull);
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        if call_once(node).await.is_none() {
            continue;
        }
        // The writer may only be slow: full is what stays full.
        tokio::time::sleep(STALLED).await;
        // One may have counted as waiting in the moment before it was refused.
        while let Some(done) = calls.try_join_next() {
            assert_eq!(done.unwrap().kind(), ErrorKind::QueueIsFull);
        }
        if let Some(error) = call_once(node).await {
            return (calls, error);
        }
    }
}

/// What a call fails with at once, if it does.
async fn call_once(node: &ServiceBroker) -> Option<Error> {
    tokio::time::timeout(Duration::from_millis(20), call(node.clone(), 60_000)).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_reading_fills_a_buffer_and_further_calls_are_refused() {
    let (node, peer) = caller_and_sink().await;
    peer.door.stop_reading();
    let (waiting, error) = fill(&node).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::QueueIsFull, Outcome::NotRun), "{error:?}");
    assert_eq!(node.stats().pending as usize, waiting.len(), "a refused call waits for nothing");
    drop(waiting);
    until_counted(&node, |stats| stats.pending == 0).await;
    stop_hanging(&node, peer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_peer_dies_calls_that_left_may_have_run_and_those_still_queued_have_not() {
    // The best of three: the machine may have other things to do.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let (node, peer) = caller_and_sink().await;
        peer.door.stop_reading();
        let (mut waiting, _) = fill(&node).await;
        let from = Instant::now();
        peer.door.slam();
        let (mut not_run, mut may_have_run) = (0, 0);
        while let Some(error) = within("the calls fail", waiting.join_next()).await {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::RequestRejected, "{error:?}");
            match error.outcome() {
                Outcome::NotRun => not_run += 1,
                Outcome::MayHaveRun => may_have_run += 1,
                other => panic!("{other:?}: {error:?}"),
            }
        }
        best = best.min(from.elapsed());
        println!("{may_have_run} calls that left and {not_run} that did not failed");
        assert!(not_run >= 1 && may_have_run >= 1, "{not_run} not run, {may_have_run} may have run");
        stop([&node]).await;
    }
    println!("calls failed {best:.1?} after their peer died");
    assert!(best < Duration::from_millis(300), "it took {best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_fail_within_100_ms_of_the_death_of_their_peer() {
    // The best of three: the machine may have other things to do.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let (node, mut peer) = caller_and_sink().await;
        let mut waiting: JoinSet<_> = (0..10).map(|_| call(node.clone(), 10)).collect();
        for _ in 0..10 {
            peer.door.next(REQUEST).await;
        }
        let from = Instant::now();
        peer.door.slam();
        while let Some(error) = within("the calls fail", waiting.join_next()).await {
            let error = error.unwrap();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestRejected, Outcome::MayHaveRun));
        }
        best = best.min(from.elapsed());
        stop([&node]).await;
    }
    println!("calls in flight failed {best:.1?} after their peer died");
    assert!(best < Duration::from_millis(100), "it took {best:?}");
}

/// Stops a node whose peer does not read, by letting the peer die first.
async fn stop_hanging(node: &ServiceBroker, peer: Peer) {
    peer.door.slam();
    until("the peer is gone", async || !sees(node, "peer").await).await;
    stop([node]).await;
}
