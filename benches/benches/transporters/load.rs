//! What runs while it is measured.

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A number of callers. Each makes its next call when its last one has been answered. The body has `size`
    /// bytes in both directions.
    Calls { size: usize, concurrency: usize },
    /// Broadcasts to a number of nodes.
    Events { size: usize, nodes: usize },
}

impl Load {
    /// The load as one line for the worker.
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
