//! The suite that all transporters have to pass.
//!
//! It contains the behaviour that brokers rely on, as cases. Each transporter runs them all. Its
//! [`Capabilities`] and its [`Fixture`] decide which of them apply. So a new transporter gets its tests
//! without any test code:
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
//! If a case fails, the suite records a sentence and continues. It panics at the end. Every wait is for a
//! condition and is bounded. Nodes communicate only by routes. If nodes connect to each other, routes contain
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

/// The result of a case.
type CaseResult<T = ()> = Result<T, Failure>;

/// A behaviour that brokers rely on.
struct Case {
    name: &'static str,
    applies: fn(&Fixture, &Capabilities) -> bool,
    run: for<'a> fn(&'a mut Cluster) -> BoxFuture<'a, CaseResult>,
}

/// Fails a case unless a condition is true.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
use ensure;

/// Runs every case that applies, each with a fixture of its own. `make` makes a fresh cluster that shares
/// nothing with earlier ones.
///
/// It must run within a tokio runtime with time and I/O enabled, in real time.
///
/// # Panics
/// If a case failed. The message names all failed cases.
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

/// Runs one case, and stops its nodes whether it succeeded or not.
async fn attempt(case: &Case, mut cluster: Cluster) -> CaseResult {
    let outcome = AssertUnwindSafe((case.run)(&mut cluster)).catch_unwind().await;
    let stopped = cluster.stop().await;
    outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic)).into())).and(stopped)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
