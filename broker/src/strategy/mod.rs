//! Strategies, which choose the endpoint of the next call (protocol chapter 8.2).
//!
//!
//! A strategy knows only the number of available endpoints and, if the call has one, a key. It returns an
//! index, so it works for actions and for groups of event subscribers alike. Each list of endpoints has its
//! own strategy, which is kept when the list changes.

mod random;
mod round_robin;

use std::fmt;
use std::sync::Arc;

use random::Random;
use round_robin::RoundRobin;

/// Chooses one of several endpoints, all of which are available.
pub(crate) trait Strategy: fmt::Debug + Send + Sync + 'static {
    /// An index below `count`, which is at least 1.
    ///
    /// `key` is the same for calls that belong together. Strategies that distribute calls evenly ignore it.
    fn pick(&self, count: usize, key: Option<u64>) -> usize;
}

/// The strategies that configuration and definitions can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StrategyKind {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// A random one. All have the same chance.
    Random,
}

impl StrategyKind {
    /// The strategy that Moleculer's configuration calls `name`, in upper or lower case.
    ///
    /// # Errors
    /// [`UnknownStrategy`] if there is no strategy with this name.
    pub(crate) fn from_name(name: &str) -> Result<Self, UnknownStrategy> {
        [("RoundRobin", Self::RoundRobin), ("Random", Self::Random)]
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, kind)| kind)
            .ok_or_else(|| UnknownStrategy { name: name.to_owned() })
    }

    /// Makes a strategy for one list of endpoints.
    pub(crate) fn build(self) -> Arc<dyn Strategy> {
        match self {
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::Random => Arc::new(Random),
        }
    }
}

/// There is no strategy with this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no balancing strategy named `{name}`: use RoundRobin or Random")]
pub(crate) struct UnknownStrategy {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(StrategyKind::from_name("RoundRobin"), Ok(StrategyKind::RoundRobin));
        assert_eq!(StrategyKind::from_name("random"), Ok(StrategyKind::Random));
    }

    #[test]
    fn an_unknown_name_is_told_with_what_there_is() {
        let error = StrategyKind::from_name("Fastest").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no balancing strategy named `Fastest`: use RoundRobin or Random"
        );
    }
}
