//! The in-memory network against the suite for all transporters.

use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::memory::{Network, Options};
use std::sync::Arc;

/// The queue, and what the reader took out of it before its sink stopped.
const ACCEPTS: usize = (8 << 20) + 256 * 1024;

fn fixture() -> Fixture {
    let network = Network::new();
    let (breaks, restores) = (network.clone(), network.clone());
    Fixture::new(move |_| Arc::new(network.transporter()))
        .accepting_at_most(ACCEPTS)
        .with_break(move |node| breaks.crash(node), move |node| restores.restore(node))
}

#[tokio::test]
async fn it_conforms_on_one_thread() {
    conformance::run(fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    conformance::run(fixture).await;
}

#[tokio::test]
async fn it_conforms_with_narrow_queues() {
    conformance::run(|| {
        let options =
            Options { queue_frames: 64, queue_bytes: 1 << 20, control_frames: 32, ..Options::default() };
        let network = Network::with(options);
        Fixture::new(move |_| Arc::new(network.transporter())).accepting_at_most((64 + 256) * 1024)
    })
    .await;
}
