//! The bounds of a connection with a message server.

use std::time::Duration;

use super::options::{self, Expected};

/// Bounds of queues and waits; the same for every message server.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusLimits {
    /// Bytes that may wait to be published (`sendBufferBytes`, default 16 MiB). Events are refused from
    /// four fifths on, requests and responses when it is full, control packets only at twice as much.
    pub send_bytes: usize,
    /// Frames that may wait to be published (`sendBufferFrames`, default 16,384), likewise.
    pub send_frames: usize,
    /// Bytes that have arrived and may wait to be handled (`receiveBufferBytes`, default 32 MiB). Events
    /// are dropped from four fifths on, requests answered `QueueIsFull` when it is full; at twice as much
    /// everything but control packets is dropped.
    pub receive_bytes: usize,
    /// Frames that have arrived and may wait to be handled (`receiveBufferFrames`, default 65,536),
    /// likewise.
    pub receive_frames: usize,
    /// Largest frame that is sent, in bytes (`maxPacketSize`, default 1 MiB); a server's own limit comes on
    /// top.
    pub max_frame: usize,
    /// Time to connect to one server, and to make or undo subscriptions (`connectTimeout`, default 5 s).
    pub connect_timeout: Duration,
    /// A server that does not take a batch, of a few MiB at most, within this time is lost
    /// (`writeTimeout`, default 10 s; with AMQP and MQTT at most [`Self::max_hold`]).
    pub write_timeout: Duration,
    /// Frames that wait for longer than this are not published any more (`maxHold`, default 5 s).
    pub max_hold: Duration,
    /// Time to publish what is still waiting when the transporter closes (`closeTimeout`, default 2 s).
    pub close_timeout: Duration,
}

impl Default for BusLimits {
    fn default() -> Self {
        Self {
            send_bytes: 16 * 1024 * 1024,
            send_frames: 16 * 1024,
            receive_bytes: 32 * 1024 * 1024,
            receive_frames: 64 * 1024,
            max_frame: 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            max_hold: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
        }
    }
}

impl BusLimits {
    /// The same for a client library that keeps for itself what it was given: a batch that it has not got
    /// rid of in the time for which frames may be held is given up with the session.
    #[cfg(any(feature = "amqp", feature = "mqtt"))]
    pub(crate) fn with_writes_in_hold(mut self) -> Self {
        self.write_timeout = self.write_timeout.min(self.max_hold);
        self
    }

    /// Names that [`Self::set`] understands.
    pub(crate) const NAMES: &[&str] = &[
        "sendBufferBytes",
        "sendBufferFrames",
        "receiveBufferBytes",
        "receiveBufferFrames",
        "maxPacketSize",
        "connectTimeout",
        "writeTimeout",
        "maxHold",
        "closeTimeout",
    ];

    /// Sets one from text: `None` when there is none of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        use options::{count, milliseconds};
        Some(match name {
            "sendBufferBytes" => count(value).map(|bytes| self.send_bytes = bytes),
            "sendBufferFrames" => count(value).map(|frames| self.send_frames = frames),
            "receiveBufferBytes" => count(value).map(|bytes| self.receive_bytes = bytes),
            "receiveBufferFrames" => count(value).map(|frames| self.receive_frames = frames),
            "maxPacketSize" => count(value).map(|bytes| self.max_frame = bytes),
            "connectTimeout" => milliseconds(value).map(|time| self.connect_timeout = time),
            "writeTimeout" => milliseconds(value).map(|time| self.write_timeout = time),
            "maxHold" => milliseconds(value).map(|time| self.max_hold = time),
            "closeTimeout" => milliseconds(value).map(|time| self.close_timeout = time),
            _ => return None,
        })
    }
}
