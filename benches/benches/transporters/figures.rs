//! The figures of a measurement.

/// The result of a load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The number of answered calls, or of delivered events.
    pub(crate) count: u64,
    /// How long it took.
    pub(crate) nanos: u64,
    /// The median latency of the calls. 0 if it was not measured.
    pub(crate) p50_nanos: u64,
}

impl Figures {
    pub(crate) fn from_words(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::parse);
        let mut next = || words.next()?.ok();
        Some(Self { count: next()?, nanos: next()?, p50_nanos: next()? })
    }
}
