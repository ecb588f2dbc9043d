//! Both ends of a connection ask an idle peer whether it is still there.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::Ipv4Addr;
use tests_support::{is, until};

use crate::support::Node;

/// Ends on loopback of connections with this port: the own port, and in hundredths of a second when the
/// keep-alive timer rings, if it runs.
fn ends(port: u16) -> Vec<(u16, Option<u64>)> {
    let number = |text: &str, radix| u64::from_str_radix(text, radix).unwrap();
    let end = |text: &str| {
        let (ip, port) = text.split_once(':').unwrap();
        (Ipv4Addr::from(u32::try_from(number(ip, 16)).unwrap().swap_bytes()), number(port, 16) as u16)
    };
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let ((ip, own), (_, other)) = (end(cells[1]), end(cells[2]));
        // 1 is an established connection, 2 the keep-alive timer.
        if cells[3] == "01" && ip.is_loopback() && (own == port || other == port) {
            let (timer, rings) = cells[5].split_once(':').unwrap();
            found.push((own, (timer == "02").then(|| number(rings, 16))));
        }
    }
    found
}

#[tokio::test]
async fn the_keep_alive_timer_runs_for_5_s_at_the_accepted_and_at_the_dialled_end() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    a.request(&b.route(), 0, b"x").unwrap();
    b.until("a frame arrives", |log| log.data().len() == 1).await;
    // While something is unacknowledged another timer runs.
    until("both timers run", async || {
        let ends = ends(b.port());
        let rings_in_time = |end: &(u16, Option<u64>)| end.1.is_some_and(|rings| rings <= 500);
        is(ends, |ends| {
            ends.len() == 2 && ends.iter().all(rings_in_time) && ends.iter().any(|end| end.0 == b.port())
        })
    })
    .await;
    for node in [a, b] {
        node.stop().await;
    }
}
