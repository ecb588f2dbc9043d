//! What the calls of a run tell: plain data in, numbers out.
//!
//! All times count from the start of the run.

use ligand::Outcome;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::Duration;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The worker that answered.
    Ok(String),
    /// Why not, what is known of the handler, and the node that was asked, if any.
    Failed { name: String, outcome: Outcome, node: Option<String> },
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: u64,
    pub(crate) sent: Duration,
    /// When and how it settled, if it did.
    pub(crate) settled: Option<(Duration, End)>,
}

/// All calls of a run, and what the workers handled.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: Vec<Made>,
    /// The ids of calls whose handlers began, one entry each time.
    pub(crate) handled: Vec<u64>,
}

impl Made {
    fn failed(&self) -> Option<(&str, Outcome, Option<&str>)> {
        match &self.settled {
            Some((_, End::Failed { name, outcome, node })) => Some((name, *outcome, node.as_deref())),
            _ => None,
        }
    }

    fn succeeded(&self) -> bool {
        matches!(self.settled, Some((_, End::Ok(_))))
    }

    fn took(&self) -> Option<Duration> {
        self.settled.as_ref().map(|(at, _)| at.saturating_sub(self.sent))
    }
}

impl Tally {
    /// Calls that never settled.
    pub(crate) fn never_settled(&self) -> usize {
        self.calls.iter().filter(|call| call.settled.is_none()).count()
    }

    pub(crate) fn failed(&self) -> usize {
        self.calls.iter().filter(|call| call.failed().is_some()).count()
    }

    /// Failures by name, outcome and node, and when the first and the last of each were sent, for people.
    pub(crate) fn reasons(&self) -> String {
        let mut kinds: BTreeMap<String, (usize, Duration, Duration)> = BTreeMap::new();
        for call in &self.calls {
            let Some((name, outcome, node)) = call.failed() else { continue };
            let kind = format!("{name} {outcome:?} at {}", node.unwrap_or("no node"));
            let (count, _, last) = kinds.entry(kind).or_insert((0, call.sent, call.sent));
            *count += 1;
            *last = call.sent.max(*last);
        }
        let told = kinds.iter().map(|(kind, (count, first, last))| {
            format!("{count} {kind} ({:.1} s to {:.1} s)", first.as_secs_f64(), last.as_secs_f64())
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// Calls whose handler began more than once.
    pub(crate) fn handled_twice(&self) -> usize {
        let mut seen = HashSet::new();
        let again: HashSet<_> = self.handled.iter().filter(|id| !seen.insert(**id)).collect();
        again.len()
    }

    /// Calls that failed as certainly not run, and were.
    pub(crate) fn ran_after_all(&self) -> usize {
        let handled: HashSet<_> = self.handled.iter().collect();
        let said_not = |call: &&Made| matches!(call.failed(), Some((_, Outcome::NotRun, _)));
        self.calls.iter().filter(said_not).filter(|call| handled.contains(&call.id)).count()
    }

    /// How long after a moment the first call settled well, of one worker or of any.
    pub(crate) fn first_success(&self, after: Duration, of: Option<&str>) -> Option<Duration> {
        let good = self.calls.iter().filter_map(|call| match &call.settled {
            Some((at, End::Ok(node))) if of.is_none_or(|of| of == node) => Some(*at),
            _ => None,
        });
        good.filter(|at| *at >= after).min().map(|at| at - after)
    }

    /// Of the calls of some time: those that did not fail as certainly not run, and the slowest.
    pub(crate) fn outage(&self, during: &Range<Duration>) -> (usize, Duration) {
        let calls = self.calls.iter().filter(|call| during.contains(&call.sent));
        let mut others = 0;
        let mut slowest = Duration::ZERO;
        for call in calls {
            others += usize::from(!matches!(call.failed(), Some((_, Outcome::NotRun, _))));
            slowest = slowest.max(call.took().unwrap_or(Duration::MAX));
        }
        (others, slowest)
    }

    /// Failures of calls of some time, by whether they were sent to a node or not.
    pub(crate) fn failures(&self, during: &Range<Duration>, to: &str) -> (usize, usize) {
        let calls = self.calls.iter().filter(|call| during.contains(&call.sent));
        let nodes = calls.filter_map(Made::failed).map(|(_, _, node)| node);
        let (there, elsewhere): (Vec<_>, Vec<_>) = nodes.partition(|node| *node == Some(to));
        (there.len(), elsewhere.len())
    }

    /// Calls that were under way to a node at a moment, as far as they failed.
    pub(crate) fn in_flight(&self, at: Duration, to: &str) -> usize {
        let under_way = self
            .calls
            .iter()
            .filter(|call| call.sent <= at && call.settled.as_ref().is_none_or(|(settled, _)| *settled > at));
        under_way.filter(|call| matches!(call.failed(), Some((_, _, Some(node))) if node == to)).count()
    }

    /// How long after a moment a call was still sent to a node and failed.
    pub(crate) fn last_lost_on(&self, node: &str, during: &Range<Duration>) -> Duration {
        let calls = self.calls.iter().filter(|call| during.contains(&call.sent));
        let lost = calls.filter(|call| matches!(call.failed(), Some((_, _, Some(to))) if to == node));
        lost.map(|call| call.sent - during.start).max().unwrap_or_default()
    }

    /// For how long calls went to a node that stood still during some time; nothing if they did to the end, of
    /// which `gap` is the last bit. What is sent in the end is answered when the node goes on, so those that
    /// failed do not tell.
    pub(crate) fn went_to(&self, node: &str, during: &Range<Duration>, gap: Duration) -> Option<Duration> {
        let of = |call: &&Made| match &call.settled {
            Some((_, End::Ok(by))) => by == node,
            Some((_, End::Failed { node: to, .. })) => to.as_deref() == Some(node),
            None => false,
        };
        let calls = self.calls.iter().filter(|call| during.contains(&call.sent)).filter(of);
        let last = calls.map(|call| call.sent).max().unwrap_or(during.start);
        (last + gap < during.end).then(|| last - during.start)
    }

    /// Whether the calls of some time all succeeded, and 99 of 100 fast.
    pub(crate) fn all_well(&self, during: &Range<Duration>, fast: Duration) -> bool {
        let mut calls = self.calls.iter().filter(|call| during.contains(&call.sent));
        calls.all(Made::succeeded) && self.p99(during).is_some_and(|p99| p99 <= fast)
    }

    /// The time below which 99 of 100 successes of some time lie.
    pub(crate) fn p99(&self, during: &Range<Duration>) -> Option<Duration> {
        let calls = self.calls.iter().filter(|call| during.contains(&call.sent) && call.succeeded());
        let mut took: Vec<_> = calls.filter_map(Made::took).collect();
        took.sort_unstable();
        let rank = (took.len() * 99).div_ceil(100);
        took.get(rank.checked_sub(1)?).copied()
    }
}
