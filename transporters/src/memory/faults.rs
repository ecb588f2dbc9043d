//! What may happen to a frame on its way.
//!
//!
//! Each directed pair of nodes has its own random generator, which is seeded from the seed and the two ids.
//! So what happens to the frames of one pair does not depend on other nodes.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

use crate::Name;

/// Random faults of the frames between two nodes.
///
/// ```
/// use ligand_transporters::memory::{Faults, Network};
/// use std::time::Duration;
///
/// let network = Network::seeded(7);
/// network.set_faults(Faults {
///     delay: Duration::from_millis(1)..Duration::from_millis(20),
///     loss: 0.01,
///     ..Faults::default()
/// });
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The delay of a frame. An empty range means its start.
    pub delay: Range<Duration>,
    /// The share of frames that are lost, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// The share of frames that later ones may overtake, 0 to 1. Such a frame is delayed by up to
    /// [`Faults::HELD_BACK`] more.
    pub reorder: f64,
}

impl Faults {
    /// The longest additional delay of a reordered frame.
    pub const HELD_BACK: Duration = Duration::from_millis(10);
}

impl Default for Faults {
    /// No faults.
    fn default() -> Self {
        Self { delay: Duration::ZERO..Duration::ZERO, loss: 0.0, duplicate: 0.0, reorder: 0.0 }
    }
}

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never arrives.
    Lost,
    /// It waits until the pair is released.
    Held,
    /// It arrives at this time, perhaps once more at another.
    Arrives { at: Instant, again: Option<Instant> },
}

/// The faults of a network. It reads no clock: the caller passes `now`.
#[derive(Debug)]
pub(crate) struct Weather {
    seed: u64,
    everywhere: Faults,
    /// Grows with the pairs that tests name, and with those that send while there are faults.
    pairs: BTreeMap<(Name, Name), Pair>,
}

#[derive(Debug)]
struct Pair {
    random: Xoshiro256PlusPlus,
    cut: bool,
    held: bool,
    faults: Option<Faults>,
    /// Later frames arrive no earlier than this.
    last: Option<Instant>,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, everywhere: Faults::default(), pairs: BTreeMap::new() }
    }

    /// Whether there are no faults. Frames that were delayed before still arrive later.
    pub(crate) fn is_fair(&self) -> bool {
        let fair = |pair: &Pair| !pair.cut && !pair.held && pair.faults.is_none();
        self.everywhere == Faults::default() && self.pairs.values().all(fair)
    }

    /// Decides what happens to a frame. Frames that a node sends to itself have no faults.
    pub(crate) fn decide(&mut self, from: &Name, to: &Name, now: Instant) -> Fate {
        if from == to {
            return Fate::Arrives { at: now, again: None };
        }
        let everywhere = self.everywhere.clone();
        let pair = self.pair(from, to);
        if pair.cut {
            return Fate::Lost;
        }
        let faults = pair.faults.clone().unwrap_or(everywhere);
        // Every frame draws the same number of random values, so that one setting does not change the effect
        // of others.
        let [lost, twice, late, held_back] = [(); 4].map(|()| pair.random.random::<f64>());
        let delay = pair.delay(&faults.delay);
        if lost < faults.loss {
            return Fate::Lost;
        }
        if pair.held {
            return Fate::Held;
        }
        let mut at = now + delay;
        if let Some(last) = pair.last {
            at = at.max(last);
        }
        if late < faults.reorder {
            at += Faults::HELD_BACK.mul_f64(held_back);
        } else {
            pair.last = (at > now).then_some(at);
        }
        let again = (twice < faults.duplicate).then(|| at + pair.delay(&faults.delay));
        Fate::Arrives { at, again }
    }

    pub(crate) fn set_everywhere(&mut self, faults: Faults) {
        self.everywhere = faults;
    }

    pub(crate) fn set_between(&mut self, from: &Name, to: &Name, faults: Option<Faults>) {
        self.pair(from, to).faults = faults;
    }

    pub(crate) fn cut(&mut self, from: &Name, to: &Name, cut: bool) {
        self.pair(from, to).cut = cut;
    }

    pub(crate) fn hold(&mut self, from: &Name, to: &Name) {
        self.pair(from, to).held = true;
    }

    /// Ends a hold. Returns the time before which its frames must not arrive, so that they overtake no
    /// others.
    pub(crate) fn release(&mut self, from: &Name, to: &Name) -> Option<Instant> {
        let pair = self.pair(from, to);
        pair.held = false;
        pair.last
    }

    pub(crate) fn repair_all(&mut self) {
        for pair in self.pairs.values_mut() {
            pair.cut = false;
        }
    }

    pub(crate) fn held(&self) -> Vec<(Name, Name)> {
        self.pairs.iter().filter(|(_, pair)| pair.held).map(|(ids, _)| ids.clone()).collect()
    }

    fn pair(&mut self, from: &Name, to: &Name) -> &mut Pair {
        let seed = self.seed;
        self.pairs.entry((from.clone(), to.clone())).or_insert_with(|| Pair {
            random: Xoshiro256PlusPlus::seed_from_u64(mix(seed, from, to)),
            cut: false,
            held: false,
            faults: None,
            last: None,
        })
    }
}

impl Pair {
    fn delay(&mut self, range: &Range<Duration>) -> Duration {
        let share = self.random.random::<f64>();
        range.start + range.end.saturating_sub(range.start).mul_f64(share)
    }
}

/// FNV-1a over the seed and both ids: the same on every machine.
fn mix(seed: u64, from: &str, to: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(from.bytes()).chain([0]).chain(to.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Name = Name::from_static("a");
    const B: Name = Name::from_static("b");

    fn fates(weather: &mut Weather, now: Instant, count: usize) -> Vec<Fate> {
        (0..count).map(|_| weather.decide(&A, &B, now)).collect()
    }

    #[test]
    fn the_fate_of_one_pair_does_not_depend_on_what_others_send() {
        let now = Instant::now();
        let faults =
            Faults { delay: Duration::ZERO..Duration::from_secs(1), loss: 0.3, duplicate: 0.3, reorder: 0.3 };
        let (mut quiet, mut busy) = (Weather::new(3), Weather::new(3));
        quiet.set_everywhere(faults.clone());
        busy.set_everywhere(faults);
        for _ in 0..50 {
            busy.decide(&B, &A, now);
        }
        assert_eq!(fates(&mut quiet, now, 100), fates(&mut busy, now, 100));
        let mut other = Weather::new(4);
        other.set_everywhere(quiet.everywhere.clone());
        assert_ne!(fates(&mut quiet, now, 100), fates(&mut other, now, 100));
    }

    #[test]
    fn odd_shares_and_ranges_do_no_harm() {
        let mut weather = Weather::new(0);
        let backwards = Duration::from_secs(2)..Duration::from_secs(1);
        weather.set_everywhere(Faults { delay: backwards, loss: f64::NAN, duplicate: 7.0, reorder: -1.0 });
        let now = Instant::now();
        let at = now + Duration::from_secs(2);
        assert_eq!(
            weather.decide(&A, &B, now),
            Fate::Arrives { at, again: Some(at + Duration::from_secs(2)) }
        );
    }

    proptest! {
        #[test]
        fn without_reordering_no_frame_overtakes_an_earlier_one(
            seed: u64,
            gaps in proptest::collection::vec(0u64..30, 1..100),
            longest in 0u64..100,
        ) {
            let mut weather = Weather::new(seed);
            weather.set_everywhere(Faults {
                delay: Duration::ZERO..Duration::from_millis(longest),
                ..Faults::default()
            });
            let (mut now, mut last) = (Instant::now(), None);
            for gap in gaps {
                now += Duration::from_millis(gap);
                let Fate::Arrives { at, again: None } = weather.decide(&A, &B, now) else {
                    panic!("lost or repeated without such a fault")
                };
                prop_assert!(at >= now && Some(at) >= last);
                last = Some(at);
            }
        }
    }
}
