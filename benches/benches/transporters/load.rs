//! What is done while it is measured.

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// So many callers, each of which makes its next call when its last one is answered. The body has
    /// `size` bytes both ways.
    Calls { size: usize, concurrency: usize },
    /// Broadcasts to so many nodes.
    Events { size: usize, nodes: usize },
}

impl Load {
    /// As one line for the worker.
    pub(crate) fn to_words(self) -> String {
        match self {
            Self::Calls { size, concurrency } => format!("calls {size} {concurrency}"),
            Self::Events { size, nodes } => format!("events {size} {nodes}"),
        }
    }

    /// Reads [`Load::to_words`].
    pub(crate) fn from_words(kind: &str, size: &str, count: &str) -> Option<Self> {
        let (size, count) = (size.parse().ok()?, count.parse().ok()?);
        match kind {
            "calls" => Some(Self::Calls { size, concurrency: count }),
            "events" => Some(Self::Events { size, nodes: count }),
            _ => None,
        }
    }
}
