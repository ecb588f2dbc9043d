//! The bounds of a network.

/// Bounds of a [`Network`](super::Network).
///
/// Each node has one inbound queue. Data (events, requests, responses) and control frames are counted
/// separately, so that a node with too much data still learns which nodes are alive. If a frame does not fit,
/// sending it fails with [`SendError::Full`](crate::SendError::Full). A copy of a broadcast that does not fit
/// is dropped and counted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest frame in bytes (default: 1 MiB).
    pub max_frame: usize,
    /// The number of data frames that may wait for one node (default: 65,536).
    pub queue_frames: usize,
    /// The bytes of data frames that may wait for one node, at least `max_frame` (default: 8 MiB).
    pub queue_bytes: usize,
    /// The number of control frames that may wait for one node (default: 8,192).
    pub control_frames: usize,
    /// The bytes of control frames that may wait for one node, at least `max_frame` (default: 8 MiB).
    pub control_bytes: usize,
    /// The seed of the randomness of [`Faults`](super::Faults) (default: 0).
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
