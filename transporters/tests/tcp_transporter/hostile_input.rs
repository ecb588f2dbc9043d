//! Hostile inputs close their own connection and are counted; everybody else gets through.

use bytes::Bytes;
use ligand_transporters::tcp::TcpStats;
use std::time::Duration;
use tests_support::tcp::frame;
use tests_support::{is, until, within};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Node, closed, loopback, raw};

/// Sends `bytes`, waits for the connection to be closed, and returns what was counted. A valid peer sends
/// before, meanwhile and afterwards.
async fn attack(bytes: &[u8]) -> TcpStats {
    let (victim, friend) = (Node::start("victim").await, Node::start("friend").await);
    friend.request(&victim.route(), 0, b"before").unwrap();
    victim.until("a frame arrives", |log| log.data().len() == 1).await;
    let mut attacker = raw(victim.addr(), bytes).await;
    friend.request(&victim.route(), 0, b"meanwhile").unwrap();
    closed(&mut attacker).await;
    friend.request(&victim.route(), 0, b"after").unwrap();
    victim
        .until("the friend gets through", |log| {
            log.data() == ["before", "meanwhile", "after"].map(Bytes::from)
        })
        .await;
    assert!(friend.log(|log| log.lost.is_empty()));
    victim.live.stats()
}

#[tokio::test]
async fn a_frame_of_length_zero() {
    assert_eq!(attack(&[0x04, 0, 0, 0, 0, 0x04]).await.bad_length, 1);
}

#[tokio::test]
async fn a_type_that_does_not_exist() {
    assert_eq!(attack(&[0x6B, 0, 0, 0, 0x08, 0x63, 0x7B, 0x7D]).await.bad_type, 1);
}

#[tokio::test]
async fn a_negative_length() {
    assert_eq!(attack(&[0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0x04]).await.bad_length, 1);
}

#[tokio::test]
async fn a_length_below_that_of_a_header() {
    assert_eq!(attack(&[0x01, 0, 0, 0, 0x05, 0x04]).await.bad_length, 1);
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_anything_follows() {
    assert_eq!(attack(&[0x82, 0x7F, 0xFF, 0xFF, 0xFF, 0x02]).await.too_large, 1);
}

#[tokio::test]
async fn a_wrong_check_byte() {
    assert_eq!(attack(b"GET / HTTP/1.1\r\nHost: victim\r\n\r\n").await.bad_check, 1);
}

#[tokio::test]
async fn frames_before_a_bad_one_are_delivered() {
    let victim = Node::start("victim").await;
    let mut bytes = frame(2, b"good");
    bytes.extend_from_slice(&[0x04, 0, 0, 0, 0, 0x04]);
    let mut attacker = raw(victim.addr(), &bytes).await;
    closed(&mut attacker).await;
    victim.until("the good frame arrives", |log| log.data() == [Bytes::from("good")]).await;
}

#[tokio::test]
async fn promises_that_are_not_kept_time_out() {
    let tcp = loopback().with(|options| options.frame_timeout = Duration::from_millis(100));
    let (victim, friend) = (Node::start_with("victim", tcp).await, Node::start("friend").await);
    let header = &frame(2, &vec![0; 1_048_576 - 6])[..6];
    let mut attackers = Vec::new();
    // Enough for the limit per address, and then some.
    for _ in 0..1_000 {
        attackers.push(raw(victim.addr(), header).await);
    }
    for attacker in &mut attackers {
        closed(attacker).await;
    }
    // The friend comes from the same address, so there is a place for it only once the others have left.
    let counted = |stats: TcpStats| stats.timeouts + stats.refused_per_address;
    until("each is counted", async || is(counted(victim.live.stats()), |counted| *counted == 1_000)).await;
    assert!(victim.live.stats().timeouts >= 64);
    friend.request(&victim.route(), 0, b"still here").unwrap();
    victim.until("the friend gets through", |log| log.data() == [Bytes::from("still here")]).await;
}

#[tokio::test]
async fn a_frame_that_trickles_in_times_out_although_something_keeps_coming() {
    let tcp = loopback().with(|options| options.frame_timeout = Duration::from_millis(100));
    let victim = Node::start_with("victim", tcp).await;
    let mut attacker = raw(victim.addr(), &frame(2, &[b'x'; 1000])[..6]).await;
    // Until the victim has had enough and writing fails.
    within("the victim has had enough", async {
        while attacker.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(victim.live.stats().timeouts, 1);
}

#[tokio::test]
async fn an_idle_connection_does_not_time_out() {
    let tcp = loopback().with(|options| options.frame_timeout = Duration::from_millis(10));
    let victim = Node::start_with("victim", tcp).await;
    let mut idle = raw(victim.addr(), &frame(2, b"1")).await;
    victim.until("a frame arrives", |log| log.data().len() == 1).await;
    // A connection that did begin a frame, after the idle one, has timed out: so has time passed.
    let mut late = raw(victim.addr(), &frame(2, b"never")[..7]).await;
    closed(&mut late).await;
    idle.write_all(&frame(2, b"2")).await.unwrap();
    victim.until("two frames arrive", |log| log.data().len() == 2).await;
}

#[tokio::test]
async fn a_large_frame_followed_by_many_small_ones_is_processed_whole() {
    let victim = Node::start("victim").await;
    let mut bytes = frame(2, &vec![b'x'; 1_048_000 - 6]);
    let small = frame(1, &[b'y'; 94]);
    for _ in 0..700 {
        bytes.extend_from_slice(&small);
    }
    let _sender = raw(victim.addr(), &bytes).await;
    victim.until("all frames arrive", |log| log.data().len() == 701).await;
    assert_eq!(victim.log(|log| log.data())[0].len(), 1_047_994);
    assert_eq!(victim.live.stats(), {
        let mut expected = TcpStats::default();
        expected.accepted = 1;
        expected
    });
}
