//! What is measured.

/// What came of a load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Calls answered, or events delivered.
    pub(crate) count: u64,
    /// How long it took.
    pub(crate) nanos: u64,
    /// Half of the calls took at most this long; 0 when not measured.
    pub(crate) p50_nanos: u64,
}

impl Figures {
    pub(crate) fn from_words(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::parse);
        let mut next = || words.next()?.ok();
        Some(Self { count: next()?, nanos: next()?, p50_nanos: next()? })
    }
}
