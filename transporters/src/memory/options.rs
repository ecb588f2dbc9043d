//! How much a network holds.

/// Bounds of a [`Network`](super::Network).
///
/// Each node has one inbound queue. Data (events, requests, responses) and control frames are counted
/// apart, so that a node drowning in data still learns who is alive. A frame that does not fit fails at
/// the sender with [`SendError::Full`](crate::SendError::Full); a copy of a broadcast is dropped and
/// counted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest frame in bytes (default 1 MiB).
    pub max_frame: usize,
    /// Data frames that wait for one node (default 65,536).
    pub queue_frames: usize,
    /// Bytes of data frames that wait for one node, at least `max_frame` (default 8 MiB).
    pub queue_bytes: usize,
    /// Control frames that wait for one node (default 8,192).
    pub control_frames: usize,
    /// Bytes of control frames that wait for one node, at least `max_frame` (default 8 MiB).
    pub control_bytes: usize,
    /// Where the randomness of [`Faults`](super::Faults) begins (default 0).
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_frame: 1 << 20,
            queue_frames: 65_536,
            queue_bytes: 8 << 20,
            control_frames: 8_192,
            control_bytes: 8 << 20,
            seed: 0,
        }
    }
}
