//! Chooses a random endpoint. All have the same chance.

use super::Strategy;

/// It has no state.
#[derive(Debug)]
pub(super) struct Random;

impl Strategy for Random {
    fn pick(&self, count: usize, _key: Option<u64>) -> usize {
        if count <= 1 { 0 } else { rand::random_range(..count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_chosen_sooner_or_later() {
        let mut seen = [false; 4];
        for _ in 0..1_000 {
            seen[Random.pick(4, None)] = true;
        }
        assert_eq!(seen, [true; 4]);
    }
}
