//! One suite for every way to move frames.
//!
//! What brokers rely on is written down here once, as cases; a transporter runs them all against
//! itself. Which ones apply follows from its [`Capabilities`] and from what its [`Fixture`] can do.
//! Adding a transporter thus adds its tests without a line of test code:
//!
//! ```
//! use ligand_transporters::conformance::{self, Fixture};
//! use ligand_transporters::memory::Network;
//! use std::sync::Arc;
//!
//! # fn main() { tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! conformance::run(|| {
//!     let network = Network::new();
//!     Fixture::new(move |_node| Arc::new(network.transporter()))
//! })
//! .await;
//! # }) }
//! ```
//!
//! A case fails with a sentence; the run goes on, and panics at its end. Every wait is for a condition
//! and has a bound. Nodes talk by routes only: where nodes connect to each other, routes carry
//! `127.0.0.1` and [`Connection::advertised_port`](crate::Connection::advertised_port).

mod cases;
mod cluster;
mod fixture;
mod node;
mod recorder;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::error::Error;
use std::panic::AssertUnwindSafe;

use crate::Capabilities;
use cluster::Cluster;

pub use fixture::Fixture;

/// Why a case failed, as a sentence.
type Failure = Box<dyn Error + Send + Sync>;

/// How a case ended.
type CaseResult<T = ()> = Result<T, Failure>;

/// One behaviour that brokers rely on.
struct Case {
    name: &'static str,
    applies: fn(&Fixture, &Capabilities) -> bool,
    run: for<'a> fn(&'a mut Cluster) -> BoxFuture<'a, CaseResult>,
}

/// Fails a case unless something holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
use ensure;

/// Runs every case that applies, each against a fixture of its own. `make` sets up a fresh cluster that
/// shares nothing with those before.
///
/// Must run inside a tokio runtime with time and I/O, in real time.
///
/// # Panics
/// When a case failed; the message names them all.
pub async fn run(make: impl Fn() -> Fixture) {
    let mut failed = Vec::new();
    for case in cases::ALL {
        let fixture = make();
        let capabilities = fixture.transporter(0).capabilities();
        if !(case.applies)(&fixture, &capabilities) {
            println!("conformance: {} ... not applicable", case.name);
            continue;
        }
        match attempt(case, Cluster::new(fixture, capabilities)).await {
            Ok(()) => println!("conformance: {} ... ok", case.name),
            Err(why) => {
                println!("conformance: {} ... FAILED: {why}", case.name);
                failed.push(format!("{}: {why}", case.name));
            }
        }
    }
    assert!(failed.is_empty(), "the transporter does not conform:\n{}", failed.join("\n"));
}

/// Runs one case, and takes its nodes down whether it succeeded or not.
async fn attempt(case: &Case, mut cluster: Cluster) -> CaseResult {
    let outcome = AssertUnwindSafe((case.run)(&mut cluster)).catch_unwind().await;
    let stopped = cluster.stop().await;
    outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic)).into())).and(stopped)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
