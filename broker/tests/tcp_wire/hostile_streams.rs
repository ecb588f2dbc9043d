//! Pieces of streams in odd orders and numbers: none is kept, whoever opens a stream is told that it is refused.

use ligand::ServiceBroker;
use serde_json::{Value, json};
use std::time::Instant;
use tests_support::outsider::payloads::{belated, odd_places, piece};
use tests_support::resident;

use crate::peer::{Door, Peer, REQUEST, RESPONSE, frame};
use crate::support::{loopback, port_of, started, stop, until_counted, until_it_sees};

async fn node_and_peer() -> (ServiceBroker, Peer) {
    let node = started("node", loopback()).await;
    let peer = Peer::join("p", &node, json!([])).await;
    (node, peer)
}

/// The next answer, which is the one to this request: nobody was answered before.
async fn next_refusal(peer: &mut Peer, id: &str) -> Value {
    let mut answer = peer.door.next(RESPONSE).await.json();
    assert_eq!((&answer["id"], &answer["success"]), (&json!(id), &json!(false)), "{answer}");
    answer["error"]["type"].take()
}

/// Nothing else was answered.
async fn is_calm(peer: &mut Peer, after: &str) {
    peer.request(after, "echo.echo", json!(after)).await;
    let answer = peer.door.next(RESPONSE).await.json();
    assert_eq!((&answer["id"], &answer["data"]), (&json!(after), &json!(after)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_a_beginning_are_ignored() {
    let (node, mut peer) = node_and_peer().await;
    for n in 0..5_000 {
        peer.send(REQUEST, piece(&format!("headless-{n}"), 7, true)).await;
        if n % 250 == 0 {
            peer.caught_up().await;
        }
    }
    until_counted(&node, |stats| stats.streams_ignored == 5_000).await;
    is_calm(&mut peer, "headless").await;
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_a_stream_that_is_no_number_is_an_error_and_one_that_comes_again_is_ignored() {
    let (node, mut peer) = node_and_peer().await;
    peer.send(REQUEST, piece("odd", 0, true)).await;
    assert_eq!(next_refusal(&mut peer, "odd").await, "STREAM_NOT_SUPPORTED");
    let mut ignored = 0;
    for (seq, is_piece) in odd_places() {
        peer.send(REQUEST, piece("odd", seq.clone(), true)).await;
        if is_piece {
            ignored += 1;
        } else {
            assert_eq!(next_refusal(&mut peer, "odd").await, "INVALID_PACKET_DATA", "{seq}");
        }
    }
    until_counted(&node, |stats| stats.streams_ignored == ignored).await;
    is_calm(&mut peer, "odd-end").await;
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_behind_the_end_of_a_stream_or_from_somebody_else_is_ignored() {
    let (node, mut peer) = node_and_peer().await;
    peer.send(REQUEST, piece("ended", 0, true)).await;
    assert_eq!(next_refusal(&mut peer, "ended").await, "STREAM_NOT_SUPPORTED");
    let belated = belated("ended");
    let count = belated.len() as u64;
    for belated in belated {
        peer.send(REQUEST, belated).await;
    }
    let mut other = Peer::join("other", &node, json!([])).await;
    other.send(REQUEST, piece("ended", 1, true)).await;
    until_counted(&node, |stats| stats.streams_ignored == count + 1).await;
    is_calm(&mut other, "foreign").await;
    is_calm(&mut peer, "belated").await;
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_open_streams_leave_nothing_behind() {
    const OPEN: u64 = 100_000;
    let node = started("node", loopback()).await;
    let mut peer = Peer::greet_from("p", Door::without_memory().await, port_of(&node).await).await;
    peer.introduce(2, json!([])).await;
    until_it_sees(&node, "p").await;
    let (before, from) = (resident(), Instant::now());
    let mut bytes = Vec::new();
    for n in 0..OPEN {
        for seq in 0..2 {
            let mut piece = piece(&format!("open-{n}"), seq, true);
            (piece["ver"], piece["sender"]) = (json!("5"), json!("p"));
            bytes.extend(frame(REQUEST, piece.to_string().as_bytes()));
        }
        if bytes.len() > 60_000 || n + 1 == OPEN {
            peer.line.write(&bytes).await;
            bytes.clear();
        }
    }
    // Of those that came faster than they could be answered, none is kept either.
    until_counted(&node, |stats| stats.streams_ignored + stats.overflowed >= OPEN).await;
    let mut marker = Peer::join("marker", &node, json!([])).await;
    is_calm(&mut marker, "opened").await;
    println!("{OPEN} streams were opened within {:.1?}: {:?}", from.elapsed(), node.stats());
    assert_eq!(node.stats().pending, 0);
    if let Some((before, after)) = before.zip(resident()) {
        assert!(after.saturating_sub(before) < 30 << 20, "memory grew from {before} to {after} bytes");
    }
    stop([&node]).await;
}
