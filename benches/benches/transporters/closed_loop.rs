//! Loads that wait for answers before they continue.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::figures::Figures;

/// The number of events that are sent before asking whether they have arrived.
pub(crate) const WINDOW: usize = 256;

/// Lets `concurrency` callers make calls for this long, each caller one after the other.
pub(crate) async fn calls<F, Fut>(call: F, concurrency: usize, time: Duration) -> io::Result<Figures>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = io::Result<()>> + Send,
{
    let over = Arc::new(AtomicBool::new(false));
    // Reading the clock is cheap compared with a call that has the machine to itself, and expensive
    // otherwise.
    let timed = concurrency == 1;
    let from = Instant::now();
    let callers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (call, over) = (call.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let (mut count, mut took) = (0_u64, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    let from = timed.then(Instant::now);
                    call().await?;
                    took.extend(from.map(|from| from.elapsed()));
                    count += 1;
                }
                io::Result::Ok((count, took))
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    let (mut count, mut took) = (0, Vec::new());
    for caller in callers {
        let (calls, times) = caller.await.map_err(io::Error::other)??;
        count += calls;
        took.extend(times);
    }
    let nanos = nanos(from.elapsed());
    took.sort_unstable();
    Ok(Figures { count, nanos, p50_nanos: took.get(took.len() / 2).copied().map_or(0, self::nanos) })
}

/// Sends windows of events for this long. `window` sends [`WINDOW`] events, and returns how many were
/// delivered to all nodes together.
pub(crate) async fn events<F, Fut>(window: F, time: Duration) -> io::Result<Figures>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = io::Result<u64>> + Send,
{
    let sender = tokio::spawn(async move {
        let (from, mut count) = (Instant::now(), 0);
        while from.elapsed() < time {
            count += window().await?;
        }
        io::Result::Ok(Figures { count, nanos: nanos(from.elapsed()), p50_nanos: 0 })
    });
    sender.await.map_err(io::Error::other)?
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
