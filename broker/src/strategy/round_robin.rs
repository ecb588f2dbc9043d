//! Chooses one endpoint after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Strategy;

/// Counts calls. The choice is the count modulo the number of endpoints.
///
///
/// Callers on several threads share the counter with relaxed ordering. Two of them may be served in either
/// order, but no turn is lost.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    turn: AtomicUsize,
}

impl Strategy for RoundRobin {
    fn pick(&self, count: usize, _key: Option<u64>) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_gets_its_turn() {
        let strategy = RoundRobin::default();
        let picked: Vec<_> = (0..7).map(|_| strategy.pick(3, None)).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn an_empty_list_is_no_reason_to_panic() {
        assert_eq!(RoundRobin::default().pick(0, None), 0);
    }
}
