//! Nodes that vanished, logged in one line a second: when a server goes, all its nodes vanish at once. This
//! is pure logic.

use ligand_transporters::{LogLine, NodeId};
use std::time::Instant;

/// How many names are in one line.
const NAMED: usize = 20;

/// Nodes that have vanished and are not logged yet.
#[derive(Debug, Default)]
pub(crate) struct Vanished {
    named: Vec<NodeId>,
    count: usize,
    line: LogLine,
}

impl Vanished {
    pub(crate) fn note(&mut self, node: NodeId) {
        self.count = self.count.saturating_add(1);
        if self.named.len() < NAMED {
            self.named.push(node);
        }
    }

    /// The names to log now, and how many nodes there are.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(String, usize)> {
        if self.count == 0 || !self.line.is_due(now) {
            return None;
        }
        self.line.take(now)?;
        let (named, count) = (std::mem::take(&mut self.named), std::mem::take(&mut self.count));
        let mut names: Vec<_> = named.iter().map(ToString::to_string).collect();
        if count > names.len() {
            names.push(format!("and {} more", count - names.len()));
        }
        Some((names.join(", "), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn those_that_vanish_within_a_second_share_a_line() {
        let (mut vanished, now) = (Vanished::default(), Instant::now());
        let node = |n: usize| NodeId::foreign(format!("n{n}")).unwrap();
        assert_eq!(vanished.due(now), None);
        vanished.note(node(0));
        assert_eq!(vanished.due(now), Some(("n0".to_owned(), 1)), "the first at once");
        vanished.note(node(1));
        vanished.note(node(2));
        assert_eq!(vanished.due(now + Duration::from_millis(999)), None);
        assert_eq!(vanished.due(now + Duration::from_secs(1)), Some(("n1, n2".to_owned(), 2)));
        (0..1_000).for_each(|n| vanished.note(node(n)));
        assert!(vanished.named.len() <= NAMED);
        let (names, count) = vanished.due(now + Duration::from_secs(9)).unwrap();
        assert!(names.ends_with("n19, and 980 more") && count == 1_000, "{names}");
        assert_eq!(vanished.due(now + Duration::from_secs(60)), None);
    }
}
