//! Counts what a TCP transporter has refused. Everything is counted, and hardly anything is logged.

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
        /// The counts since the transporter was opened.
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
    /// Inbound connections that were accepted.
    accepted,
    /// Inbound connections closed because `maxInboundConnections` were open.
    refused_total,
    /// Inbound connections closed because `maxInboundPerAddress` from the same address were open.
    refused_per_address,
    /// How often the operating system could not accept an inbound connection (for example, no file
    /// descriptors).
    accept_errors,
    /// Connections closed because the check byte of a frame was wrong (`BAD_CHECK`).
    bad_check,
    /// Connections closed because the length of a frame was below that of a header (`BAD_LENGTH`).
    bad_length,
    /// Connections closed because a frame had an unknown type (`BAD_TYPE`).
    bad_type,
    /// Connections closed because a frame exceeded `maxPacketSize` (`TOO_LARGE`).
    too_large,
    /// Connections closed because a frame did not end within `frameTimeout` (`TIMEOUT`).
    timeouts,
    /// UDP announcements that named a peer.
    udp_sighted,
    /// UDP datagrams that were not announcements.
    udp_malformed,
    /// UDP announcements of other namespaces.
    udp_foreign,
    /// UDP announcements that were ignored: repetitions within a second, and more new peers in a second than
    /// are accepted.
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
