//! Queue groups, whose members come and go.

use futures_util::FutureExt as _;
use ligand_transporters::{Name, PacketKind, Route, Subscription};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::node::connect_in;
use super::support::{Proxy, address, at};
use super::url;

/// Pauses between requests.
const PACES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(2), Duration::from_millis(20)];
const ROUNDS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_a_group_takes_no_request_with_it() {
    let (url, namespace) = (url("NATS_URL"), format!("groups-{}", std::process::id()));
    let action = Name::from("work.go");
    let group = [Subscription::BalancedRequest { action: action.clone() }];
    let sender = Arc::new(connect_in(&url, &namespace).await.unwrap());
    let stays = connect_in(&url, &namespace).await.unwrap().listens(&group).await;
    let leaves = connect_in(&url, &namespace).await.unwrap();
    let mut sent = 0;
    for pace in PACES {
        let over = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn({
            let (sender, over, to) = (Arc::clone(&sender), Arc::clone(&over), action.clone());
            let mut number: u64 = sent;
            async move {
                let to = Route::BalancedRequest { action: to };
                while !over.load(Ordering::Relaxed) {
                    match sender.send(&to, PacketKind::Request, &number.to_le_bytes()) {
                        Ok(()) => number += 1,
                        Err(_) => sender.live.room(&to).await,
                    }
                    if pace > Duration::ZERO {
                        tokio::time::sleep(pace).await;
                    } else if number.is_multiple_of(16) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                number
            }
        });
        for _ in 0..ROUNDS {
            leaves.live.subscribe(&group).await.unwrap();
            let before = leaves.log(|log| log.frames.len());
            leaves.until("one more arrives", |log| log.frames.len() > before).await;
            leaves.live.unsubscribe(&group).await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
        sent = sending.await.unwrap();
    }
    let late = leaves.log(|log| log.frames.len());
    // Behind all others, and there is but one left who can get it.
    sender.send(&Route::BalancedRequest { action }, PacketKind::Request, &sent.to_le_bytes()).unwrap();
    stays
        .until("the last request arrives", |log| {
            log.frames.last().is_some_and(|(_, payload)| payload[..] == sent.to_le_bytes())
        })
        .await;
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for node in [&stays, &leaves] {
        node.log(|log| {
            for (_, payload) in &log.frames {
                *seen.entry(u64::from_le_bytes(payload[..].try_into().unwrap())).or_default() += 1;
            }
        });
    }
    let wrong: Vec<_> = (0..=sent).filter(|number| seen.get(number) != Some(&1)).collect();
    assert!(wrong.is_empty(), "of {sent} requests these did not come once: {wrong:?}");
    assert_eq!(leaves.log(|log| log.frames.len()), late, "some came when it had left");
    println!("{sent} requests, {late} of them to the one that leaves {} times", ROUNDS * PACES.len());
    Arc::into_inner(sender).unwrap().stop().await;
    for node in [stays, leaves] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_hands_over_before_it_reads_that_a_node_leaves_is_not_lost_however_little_it_is() {
    let (url, namespace) = (url("NATS_URL"), format!("late-{}", std::process::id()));
    let action = Name::from("work.go");
    let group = [Subscription::BalancedRequest { action: action.clone() }];
    let proxy = Proxy::start(address(&url));
    let leaves = connect_in(&at(&url, &proxy.address()), &namespace).await.unwrap();
    let leaves = leaves.listens(&group).await;
    let sender = connect_in(&url, &namespace).await.unwrap();
    let to = Route::BalancedRequest { action };
    proxy.hold_back();
    let leaving = leaves.live.unsubscribe(&group);
    // There is nobody else whom they could go to.
    let sending = async {
        for number in 0..20u8 {
            sender.send(&to, PacketKind::Request, &[number]).unwrap();
            leaves.until("the request arrives", |log| log.frames.len() == usize::from(number) + 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.restore();
    };
    let (left, ()) = tokio::join!(leaving, sending);
    left.unwrap();
    let stays = connect_in(&url, &namespace).await.unwrap().listens(&group).await;
    for number in 0..20u8 {
        sender.send(&to, PacketKind::Request, &[number]).unwrap();
    }
    stays.until("all arrive at the one that stays", |log| log.frames.len() == 20).await;
    assert_eq!(leaves.log(|log| log.frames.len()), 20);
    for node in [sender, stays, leaves] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_leaving_a_group_has_left_it_all_the_same() {
    let (url, namespace) = (url("NATS_URL"), format!("given-up-{}", std::process::id()));
    let action = Name::from("work.go");
    let group = [Subscription::BalancedRequest { action: action.clone() }];
    let left = connect_in(&url, &namespace).await.unwrap().listens(&group).await;
    assert!(left.live.unsubscribe(&group).now_or_never().is_none(), "it waits for the server");
    let stays = connect_in(&url, &namespace).await.unwrap().listens(&group).await;
    let to = Route::BalancedRequest { action };
    // One by one, and far fewer than it was ready to take when it began to leave.
    let (mut in_a_row, mut requests) = (0, 0..600);
    while in_a_row < 20 {
        assert!(requests.next().is_some(), "requests still go to it");
        let [of_stays, of_left] = [&stays, &left].map(|node| node.log(|log| log.frames.len()));
        stays.send(&to, PacketKind::Request, b"anybody").unwrap();
        tokio::select! {
            () = stays.until("it arrives at the one that stays", |log| log.frames.len() > of_stays) => in_a_row += 1,
            () = left.until("it arrives at the one that left", |log| log.frames.len() > of_left) => in_a_row = 0,
        }
    }
    stays.stop().await;
    left.stop().await;
}
