//! One suite for clusters over any transporter.
//!
//! What users rely on between nodes is written down here once, as cases. A [`Fixture`] says how the nodes
//! of one case reach each other; every case runs on nodes of its own. A case fails with a sentence, the
//! run goes on, and panics at its end. Every wait is for a condition and has a bound.

mod cases;
mod cluster;
mod fixture;
mod services;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use std::any::Any;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use cluster::Cluster;
pub(crate) use fixture::Fixture;

/// Why a case failed, as a sentence.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How a case ended.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// One thing that users rely on.
struct Case {
    name: &'static str,
    run: for<'a> fn(&'a mut Cluster) -> LocalBoxFuture<'a, Outcome>,
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

/// Runs every case, each on a fixture of its own, which shares nothing with those before.
///
/// # Panics
/// When a case failed; the message names them all.
pub(crate) async fn run(make: impl Fn() -> Fixture) {
    let mut failed = Vec::new();
    for case in cases::ALL {
        let from = Instant::now();
        let outcome = attempt(case, Cluster::new(make())).await;
        let took = from.elapsed();
        match outcome {
            Ok(()) => println!("nodes: {} ... ok ({took:.1?})", case.name),
            Err(why) => {
                println!("nodes: {} ... FAILED ({took:.1?}): {why}", case.name);
                failed.push(format!("{}: {why}", case.name));
            }
        }
    }
    assert!(failed.is_empty(), "nodes over this transporter do not conform:\n{}", failed.join("\n"));
}

/// Runs one case, and stops its nodes whether it succeeded or not.
async fn attempt(case: &Case, mut cluster: Cluster) -> Outcome {
    let outcome = AssertUnwindSafe((case.run)(&mut cluster)).catch_unwind().await;
    let settled = cluster.settled().await;
    let stopped = cluster.stop().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic)).into()));
    outcome.and(settled).and(stopped)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
