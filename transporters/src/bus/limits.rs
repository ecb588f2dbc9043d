//! The limits of a connection with a message server.

use std::time::Duration;

use crate::options;
use crate::options::{BYTES, COUNT, MILLISECONDS};

options! {
    /// Limits of queues and waits. They are the same for every message server.
    #[derive(Clone, PartialEq, Eq)]
    pub struct BusLimits of "a message server";
    fields {
        /// Bytes that may wait to be published. Events are refused from four fifths on, requests and
        /// responses when it is full, control packets only at twice as much.
        "sendBufferBytes": BYTES => pub send_bytes: usize = 16 * 1024 * 1024;
        /// Frames that may wait to be published, likewise.
        "sendBufferFrames": COUNT => pub send_frames: usize = 16 * 1024;
        /// Bytes that have arrived and may wait to be handled. Events are dropped and counted from four
        /// fifths on, and requests are answered `QueueIsFull` when it is full. At twice as much everything
        /// but control packets is dropped.
        "receiveBufferBytes": BYTES => pub receive_bytes: usize = 32 * 1024 * 1024;
        /// Frames that have arrived and may wait to be handled, likewise.
        "receiveBufferFrames": COUNT => pub receive_frames: usize = 64 * 1024;
        /// Largest frame that is sent. A larger one fails at its sender, with the limit in the error. A
        /// server's own limit applies as well.
        "maxPacketSize": BYTES => pub max_frame: usize = 1024 * 1024;
        /// Time to connect to one server, and to make or undo subscriptions.
        "connectTimeout": MILLISECONDS => pub connect_timeout: Duration = Duration::from_secs(5);
        /// A server that does not accept a batch, of a few MiB at most, within this time is lost. If the
        /// client library keeps what it was given, as with AMQP and MQTT, the limit is at most `maxHold`.
        "writeTimeout": MILLISECONDS => pub write_timeout: Duration = Duration::from_secs(10);
        /// Frames that wait longer than this are not published any more. A server that stands still is given
        /// up before that, with everything that the client library still holds for it.
        "maxHold": MILLISECONDS => pub max_hold: Duration = Duration::from_secs(5);
        /// Time to publish what is still waiting when the transporter closes.
        "closeTimeout": MILLISECONDS => pub close_timeout: Duration = Duration::from_secs(2);
    }
}

impl BusLimits {
    /// The limits for a client library that keeps what it was given. A batch that the library has not passed
    /// on within `max_hold` is given up together with the session.
    pub(crate) fn with_writes_in_hold(mut self) -> Self {
        self.write_timeout = self.write_timeout.min(self.max_hold);
        self
    }
}
