//! A peer that stops reading costs a bounded buffer, and in the end its connection.

use ligand_transporters::{Connection, PacketKind, Route, SendError};
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tests_support::{resident, within};

use crate::support::{Node, Peer, loopback};

const BUFFER: usize = 256 * 1024;

/// Sends until the buffer is full and stays full; how many frames were accepted.
async fn fill(node: &Node, to: &Route, frame: &[u8]) -> u64 {
    let (mut accepted, mut stuck) = (0, false);
    // The system's own buffers take some megabytes too, until they are full as well.
    loop {
        match node.request(to, accepted + 1, frame) {
            Ok(()) => (accepted, stuck) = (accepted + 1, false),
            Err(SendError::Full) if stuck => return accepted,
            Err(error) => {
                assert_eq!(error, SendError::Full);
                let room = tokio::time::timeout(Duration::from_millis(200), node.live.room(to));
                stuck = room.await.is_err();
            }
        }
    }
}

async fn node_with_small_buffer(write_timeout: Duration) -> Node {
    let tcp = loopback().with(|options| {
        options.send_buffer_bytes = BUFFER;
        options.write_timeout = write_timeout;
    });
    Node::start_with("a", tcp).await
}

#[tokio::test]
async fn a_full_buffer_refuses_data_takes_pings_and_empties_when_the_peer_reads_again() {
    let node = node_with_small_buffer(Duration::from_secs(60)).await;
    let (peer, other) = (Peer::start().await, Node::start("other").await);
    let to = peer.route("p");
    let frame = vec![b'x'; 10_000];
    let accepted = fill(&node, &to, &frame).await;
    let mut inbound = peer.accept().await;

    assert_eq!(node.request(&to, 0, &frame), Err(SendError::Full));
    node.send(&to, PacketKind::Ping, b"{}").unwrap();
    node.request(&other.route(), 0, b"others do not notice").unwrap();
    other.until("a frame arrives", |log| log.data().len() == 1).await;

    let mut room = pin!(node.live.room(&to));
    assert!(room.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut received = 0;
    let read = async {
        loop {
            match inbound.frame().await.unwrap().0 {
                2 => received += 1,
                4 => break,
                _ => {}
            }
        }
    };
    tokio::join!(within("there is room", room), read);
    assert_eq!(received, accepted, "what was accepted arrives, and before the ping");
    node.request(&to, 0, &frame).unwrap();
    assert!(node.log(|log| log.unsent.is_empty() && log.lost.is_empty()));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_for_the_write_timeout_is_lost_and_the_rest_comes_back() {
    let node = node_with_small_buffer(Duration::from_secs(3)).await;
    let peer = Peer::start().await;
    let to = peer.route("p");
    let accepted = fill(&node, &to, &[b'x'; 10_000]).await;
    let mut inbound = peer.accept().await;
    node.until("the loss is told", |log| log.lost.len() == 1).await;
    within("there is room", node.live.room(&to)).await;

    let mut unsent = node.log(|log| log.unsent.clone());
    assert!(!unsent.is_empty() && unsent.len() <= BUFFER / 10_000 + 1, "{} are unsent", unsent.len());
    let mut received = 0;
    while let Some((code, _)) = inbound.frame().await {
        received += u64::from(code == 2);
    }
    unsent.sort_unstable();
    assert_eq!(unsent.last(), Some(&accepted));
    assert!(received < unsent[0], "a frame that arrived was reported as unsent");
    assert_eq!(unsent, (unsent[0]..=accepted).collect::<Vec<_>>());
}

/// Refused in all.
const REFUSED: usize = 512 << 20;

#[tokio::test]
async fn refused_frames_cost_no_memory_however_many_there_are() {
    let node = node_with_small_buffer(Duration::from_secs(60)).await;
    let peer = Peer::start().await;
    let (to, frame) = (peer.route("p"), vec![b'x'; 10_000]);
    fill(&node, &to, &frame).await;
    let before = resident();
    for n in 0..REFUSED / frame.len() {
        assert_eq!(node.request(&to, 0, &frame), Err(SendError::Full), "after {n} refusals");
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let after = resident();
    println!("{REFUSED} bytes were refused: {before:?} to {after:?} bytes");
    if let Some((before, after)) = before.zip(after) {
        // The tests beside this one take some, too, but nothing like what would be kept here.
        assert!(after.saturating_sub(before) < REFUSED / 8, "memory grew from {before} to {after} bytes");
    }
}

#[tokio::test]
async fn the_number_of_frames_is_bounded_too() {
    let tcp = loopback().with(|options| options.send_buffer_frames = 3);
    let (node, peer) = (Node::start_with("a", tcp).await, Peer::start().await);
    let to = peer.route("p");
    // Nothing is written in between, since this test does not wait.
    for _ in 0..3 {
        node.request(&to, 0, b"x").unwrap();
    }
    assert_eq!(node.request(&to, 0, b"x"), Err(SendError::Full));
}
