//! Limits the inbound connections, in total and from each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::TcpOptions;
use super::stats::Counters;
use crate::locks::{Mutex, MutexGuard};

/// The state that the accept loop and all inbound connections share.
#[derive(Debug)]
pub(crate) struct Entrance {
    options: Arc<TcpOptions>,
    stats: Arc<Counters>,
    seats: Mutex<Seats>,
    close: CancellationToken,
    /// The same as `close`, but readable without a lock.
    is_closed: AtomicBool,
    inside: TaskTracker,
}

impl Entrance {
    pub(crate) fn new(options: Arc<TcpOptions>, stats: Arc<Counters>) -> Arc<Self> {
        let seats = Seats::new(options.max_inbound_connections, options.max_inbound_per_address);
        Arc::new(Self {
            options,
            stats,
            seats: Mutex::new(seats),
            close: CancellationToken::new(),
            is_closed: AtomicBool::new(false),
            inside: TaskTracker::new(),
        })
    }

    pub(crate) fn options(&self) -> &TcpOptions {
        &self.options
    }

    pub(crate) fn stats(&self) -> &Counters {
        &self.stats
    }

    /// Waits until inbound connections have to end.
    pub(crate) async fn closed(&self) {
        self.close.cancelled().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Ends all inbound connections.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.close.cancel();
        self.inside.close();
    }

    /// Waits until they have ended, after [`Self::close`].
    pub(crate) async fn empty(&self) {
        self.inside.wait().await;
    }

    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Ticket, Crowded> {
        self.seats().take(address)?;
        Ok(Ticket { entrance: Arc::clone(self), address, _inside: self.inside.token() })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock()
    }
}

/// The permit of one inbound connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Ticket {
    entrance: Arc<Entrance>,
    address: IpAddr,
    _inside: TaskTrackerToken,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.entrance.seats().give_back(self.address);
    }
}

/// The limit that was reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Crowded {
    Total,
    Address,
}

/// The number of open connections, in total and from each address.
#[derive(Debug)]
struct Seats {
    max: usize,
    max_per_address: usize,
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Seats {
    fn new(max: usize, max_per_address: usize) -> Self {
        Self { max, max_per_address, taken: 0, by_address: HashMap::new() }
    }

    fn take(&mut self, address: IpAddr) -> Result<(), Crowded> {
        if self.taken >= self.max {
            return Err(Crowded::Total);
        }
        let from_here = self.by_address.get(&address).copied().unwrap_or_default();
        if from_here >= self.max_per_address {
            return Err(Crowded::Address);
        }
        self.taken += 1;
        self.by_address.insert(address, from_here + 1);
        Ok(())
    }

    fn give_back(&mut self, address: IpAddr) {
        self.taken = self.taken.saturating_sub(1);
        if let Entry::Occupied(mut entry) = self.by_address.entry(address) {
            match entry.get().saturating_sub(1) {
                0 => drop(entry.remove()),
                left => *entry.get_mut() = left,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_total_and_per_address_and_come_back() {
        let (a, b, c) =
            (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 3]));
        let mut seats = Seats::new(3, 2);
        assert_eq!(seats.take(a), Ok(()));
        assert_eq!(seats.take(a), Ok(()));
        assert_eq!(seats.take(a), Err(Crowded::Address));
        assert_eq!(seats.take(b), Ok(()));
        assert_eq!(seats.take(c), Err(Crowded::Total));
        seats.give_back(a);
        assert_eq!(seats.take(c), Ok(()));
        for address in [a, b, c] {
            seats.give_back(address);
        }
        assert_eq!((seats.taken, seats.by_address.len()), (0, 0), "nothing is remembered of who has left");
    }
}
