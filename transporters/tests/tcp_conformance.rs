//! TCP against the suite for all transporters, on loopback and without discovery.
#![cfg(all(feature = "conformance", feature = "tcp"))]

use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::tcp::Tcp;
use std::sync::Arc;

/// What may wait for one peer.
const BUFFER: usize = 512 * 1024;

/// The buffer of the sender, and those of the system on both sides, which grow by themselves.
const ACCEPTS: usize = BUFFER + (24 << 20);

fn fixture() -> Fixture {
    Fixture::new(|_| {
        Arc::new(Tcp::new().bind([127, 0, 0, 1]).udp_discovery(false).with(|options| {
            options.send_buffer_bytes = BUFFER;
            options.send_buffer_frames = BUFFER / 1024;
        }))
    })
    .accepting_at_most(ACCEPTS)
}

#[tokio::test]
async fn it_conforms_on_one_thread() {
    conformance::run(fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    conformance::run(fixture).await;
}
