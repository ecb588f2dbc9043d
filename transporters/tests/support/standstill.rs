//! What every transporter must do in front of a server that stands still.

use ligand_transporters::{PacketKind, Route, SendError, Subscription, Transporter, Up};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tests_support::Node;
use tokio::time::timeout;

use super::{Proxy, at};

const FRAME: usize = 16 * 1024;

/// What may wait at the sender by its options.
const BUFFER: usize = 1024 * 1024;

/// What may have been taken altogether: some waits in the client library, and several MiB in the system's
/// buffers before and behind the proxy.
const TAKEN: usize = 24 * 1024 * 1024;

/// A buffer that had no room for so long is full, not just slower than its writer.
const STALLED: Duration = Duration::from_millis(300);

/// The server behind a proxy stops reading. A bounded number of frames is taken for it, control packets
/// beyond that; then it is given up, and what is reported as unsent has not been and will not be sent.
///
/// `make` gets a URL and adds a query to it, the one given here included.
pub(crate) async fn a_server_that_stands_still_costs_a_bounded_amount(
    proxy: Proxy,
    server: &str,
    make: impl Fn(&str, &str) -> Arc<dyn Transporter>,
    namespace: &str,
) {
    let query = format!("sendBufferBytes={BUFFER}&writeTimeout=4s&maxHold=6s");
    let through = make(&at(server, &proxy.address()), &query);
    let node = Node::connect(&*through, namespace, "sender").await.unwrap();
    let other = Node::connect(&*make(server, ""), namespace, "receiver").await.unwrap();
    other.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let to = other.route();

    proxy.freeze();
    let mut taken: u64 = 0;
    loop {
        // Tokens start at 1: 0 is the one that nobody wants to know about.
        let token = taken + 1;
        let mut payload = token.to_le_bytes().to_vec();
        payload.resize(FRAME, b'.');
        match node.send_named(&to, PacketKind::Event, token, &payload) {
            Ok(()) => taken += 1,
            Err(SendError::Full) => match timeout(STALLED, node.live.room(&to)).await {
                Ok(()) => tokio::task::yield_now().await,
                Err(_) => break,
            },
            Err(why) => panic!("frame {token} gave {why:?} after {:?}", node.log(|log| log.downs.clone())),
        }
        let bytes = usize::try_from(taken).unwrap() * FRAME;
        assert!(bytes <= TAKEN, "{bytes} bytes were taken for a server that stands still");
    }
    for _ in 0..8 {
        node.send(&Route::Broadcast, PacketKind::Heartbeat, b"{}").unwrap();
    }
    node.until("the server is given up", |log| log.downs.len() == 1).await;
    proxy.restore();
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.send(&to, PacketKind::Event, b"end").unwrap();
    other.until("the end arrives", |log| log.frames.iter().any(|(_, payload)| payload == "end")).await;
    let unsent = node.log(|log| log.unsent.clone());
    node.stop().await;

    let once: HashSet<u64> = unsent.iter().copied().collect();
    assert_eq!(once.len(), unsent.len(), "some are reported twice");
    let strange: Vec<_> = once.iter().filter(|token| !(1..=taken).contains(*token)).collect();
    assert!(strange.is_empty(), "reported as unsent, though never accepted: {strange:?}");
    let arrived: Vec<u64> = other.log(|log| {
        let tokens = log.frames.iter().filter_map(|(_, payload)| payload.first_chunk().copied());
        tokens.map(u64::from_le_bytes).collect()
    });
    let both: Vec<_> = arrived.iter().filter(|token| once.contains(token)).collect();
    assert!(both.is_empty(), "reported as unsent, though they arrived: {both:?}");
    other.stop().await;
}
