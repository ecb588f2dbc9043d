//! Log lines about a server that goes and comes back: one for each change, and at most one a second of a
//! kind.
//!
//! A connection that flickers ten times a second would write twenty lines. Lines that are left out are
//! counted. If their news still holds when the second is over, it is logged then, so that the last line is
//! always true. This is pure logic.

use ligand_transporters::LogLine;
use std::time::{Duration, Instant};

/// Whether a server is there, and whether the log says so.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// `None` while it is there.
    away: Option<Away>,
    /// Whether the last log line says that it is away.
    said_away: bool,
    /// How long it was away, if its return is not logged yet.
    unsaid_return: Option<Duration>,
    lost: LogLine,
    back: LogLine,
}

#[derive(Debug)]
struct Away {
    since: Instant,
    why: String,
    how: Lost,
}

/// How a server was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There is no connection.
    Gone,
    /// There is a connection, but not everything arrives on it.
    Deaf,
}

/// A line for the log. Each line says how many of its kind were left out before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Lost { why: String, how: Lost, left_out: u64 },
    Back { away: Duration, left_out: u64 },
}

impl Outage {
    /// The server was lost. If it was lost already, nothing changes.
    pub(crate) fn lost(&mut self, why: &impl ToString, how: Lost, now: Instant) -> Option<Said> {
        if self.away.is_some() {
            return None;
        }
        self.unsaid_return = None;
        self.away = Some(Away { since: now, why: why.to_string(), how });
        if self.said_away {
            self.lost.leave_out();
            return None;
        }
        let left_out = self.lost.take(now)?;
        self.say_lost(left_out)
    }

    /// The server is back.
    pub(crate) fn back(&mut self, now: Instant) -> Option<Said> {
        let away = now.saturating_duration_since(self.away.take()?.since);
        if !self.said_away {
            self.back.leave_out();
            return None;
        }
        self.unsaid_return = Some(away);
        let left_out = self.back.take(now)?;
        self.say_back(left_out)
    }

    /// A line that was left out, if its news still holds and it may be logged now.
    pub(crate) fn owed(&mut self, now: Instant) -> Option<Said> {
        // The line was counted as left out when it happened.
        if self.away.is_some() && !self.said_away && self.lost.is_due(now) {
            let left_out = self.lost.take(now)?.saturating_sub(1);
            return self.say_lost(left_out);
        }
        if self.unsaid_return.is_some() && self.back.is_due(now) {
            let left_out = self.back.take(now)?.saturating_sub(1);
            return self.say_back(left_out);
        }
        None
    }

    fn say_lost(&mut self, left_out: u64) -> Option<Said> {
        self.said_away = true;
        let Away { why, how, .. } = self.away.as_ref()?;
        Some(Said::Lost { why: why.clone(), how: *how, left_out })
    }

    fn say_back(&mut self, left_out: u64) -> Option<Said> {
        self.said_away = false;
        Some(Said::Back { away: self.unsaid_return.take()?, left_out })
    }
}

/// A duration in words, for people.
pub(crate) fn shown(took: Duration) -> String {
    match took.as_secs() {
        0 => format!("{} ms", took.as_millis()),
        1..=59 => format!("{:.1} s", took.as_secs_f64()),
        secs => format!("{} min {} s", secs / 60, secs % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(why: &str, left_out: u64) -> Option<Said> {
        Some(Said::Lost { why: why.to_owned(), how: Lost::Gone, left_out })
    }

    fn back(away_ms: u64, left_out: u64) -> Option<Said> {
        Some(Said::Back { away: Duration::from_millis(away_ms), left_out })
    }

    #[test]
    fn each_is_said_once_with_how_long_it_took() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(outage.back(at(0)), None, "it was never away");
        assert_eq!(outage.lost(&"cut", Lost::Gone, at(100)), lost("cut", 0));
        assert_eq!(outage.lost(&"cut again", Lost::Gone, at(5_000)), None);
        assert_eq!(outage.owed(at(9_000)), None);
        assert_eq!(outage.back(at(60_100)), back(60_000, 0));
        assert_eq!(outage.owed(at(99_000)), None);
        assert_eq!(outage.lost(&"cut", Lost::Gone, at(100_000)), lost("cut", 0));
    }

    #[test]
    fn what_is_left_out_and_still_holds_is_said_when_the_second_is_over() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(outage.lost(&"one", Lost::Gone, at(0)), lost("one", 0));
        assert_eq!(outage.back(at(100)), back(100, 0));
        assert_eq!(outage.lost(&"two", Lost::Gone, at(200)), None);
        assert_eq!(outage.owed(at(999)), None);
        assert_eq!(outage.owed(at(1_000)), lost("two", 0));
        // Back, and away once more before anything may be said of that.
        assert_eq!(outage.back(at(1_050)), None);
        assert_eq!(outage.lost(&"three", Lost::Gone, at(1_060)), None);
        assert_eq!(outage.owed(at(2_500)), None, "that it is away has been said");
        assert_eq!(outage.back(at(2_600)), back(1_540, 1));
    }

    #[test]
    fn a_connection_that_flickers_for_a_minute_writes_a_line_a_second_of_each_and_the_last_one_is_true() {
        for turns in [6_000, 6_001] {
            let (mut outage, start) = (Outage::default(), Instant::now());
            let (mut said, mut left) = (Vec::new(), 0);
            for turn in 0..turns {
                let now = start + Duration::from_millis(10 * turn);
                let line = match turn % 2 {
                    0 => outage.lost(&"cut", Lost::Gone, now),
                    _ => outage.back(now),
                };
                said.extend(line.or_else(|| outage.owed(now)));
            }
            said.extend(outage.owed(start + Duration::from_secs(90)));
            for line in &said {
                left += match line {
                    Said::Lost { left_out, .. } | Said::Back { left_out, .. } => left_out,
                };
            }
            assert!(said.len() <= 2 * 61, "{}", said.len());
            assert!(left + said.len() as u64 > turns - 250, "{left} of {turns} are counted");
            let is_lost = matches!(said.last(), Some(Said::Lost { .. }));
            assert_eq!(is_lost, turns % 2 == 1, "{:?}", said.last());
        }
    }
}
