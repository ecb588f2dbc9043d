//! What a TCP transporter has refused, in numbers: each closed door is counted, hardly any is logged.

use std::sync::atomic::{AtomicU64, Ordering};

use super::framing::BadFrame;

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the transporter was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TcpStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The live counters behind [`TcpStats`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> TcpStats {
                TcpStats { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Inbound connections that were taken in.
    accepted,
    /// Inbound connections closed because `maxInboundConnections` are open.
    refused_total,
    /// Inbound connections closed because `maxInboundPerAddress` from the same address are open.
    refused_per_address,
    /// Times the system could not hand over an inbound connection (for example no file descriptors).
    accept_errors,
    /// Connections closed for a frame whose check byte is wrong (`BAD_CHECK`).
    bad_check,
    /// Connections closed for a frame whose length is below that of a header (`BAD_LENGTH`).
    bad_length,
    /// Connections closed for a frame of a type that does not exist (`BAD_TYPE`).
    bad_type,
    /// Connections closed for a frame above `maxPacketSize` (`TOO_LARGE`).
    too_large,
    /// Connections closed for a frame that did not end within `frameTimeout` (`TIMEOUT`).
    timeouts,
    /// UDP announcements that named a peer.
    udp_sighted,
    /// UDP datagrams that are no announcement.
    udp_malformed,
    /// UDP announcements of other namespaces.
    udp_foreign,
    /// UDP announcements held back: repetitions within a second, and more new peers in a second than
    /// are believed.
    udp_limited,
}

impl Counters {
    pub(crate) fn bad_frame(&self, reason: BadFrame) {
        match reason {
            BadFrame::Check => self.bad_check.add(),
            BadFrame::Length => self.bad_length.add(),
            BadFrame::Type => self.bad_type.add(),
            BadFrame::TooLarge => self.too_large.add(),
            BadFrame::Timeout => self.timeouts.add(),
        }
    }
}
