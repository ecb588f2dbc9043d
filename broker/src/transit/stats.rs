//! Counts network events that are too frequent to log one by one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::pending::Pending;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the start of the broker.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: AtomicU64,)* }

        /// A snapshot of the counters for a broker's traffic with other nodes.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TransitStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Control packets that were dropped because too many were waiting.
            pub control_dropped: u64,
            /// Calls that wait for an answer now.
            pub pending: u64,
            /// Calls settled by a response.
            pub responses: u64,
            /// Calls whose request never left this process.
            pub never_sent: u64,
            /// Calls given up at their deadline.
            pub deadlines: u64,
            /// Calls settled because the node that was asked is gone.
            pub nodes_lost: u64,
            /// Calls whose caller dropped them.
            pub callers_gone: u64,
            /// Calls settled because this broker stopped.
            pub stopped: u64,
        }

        impl Counters {
            pub(super) fn read(&self, pending: &Pending) -> TransitStats {
                let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                let left = pending.left();
                TransitStats {
                    $($name: get(&self.$name),)*
                    control_dropped: 0,
                    pending: pending.len() as u64,
                    responses: get(&left.response),
                    never_sent: get(&left.never_sent),
                    deadlines: get(&left.deadline),
                    nodes_lost: get(&left.node_lost),
                    callers_gone: get(&left.caller_gone),
                    stopped: get(&left.stopped),
                }
            }
        }
    };
}

counters! {
    /// Packets that could not be read.
    malformed,
    /// Malformed packets that a layer refused: not decrypted, or too large when decompressed.
    refused_by_layer,
    /// Packets that seem to come from another serializer.
    other_serializer,
    /// Packets of a protocol version that this node does not accept.
    wrong_version,
    /// Responses that no caller waited for any more.
    orphans,
    /// Responses from another node than the one that was asked.
    forged,
    /// Requests answered with "queue is full".
    refused,
    /// Events dropped because this node is stopping or has no room.
    events_dropped,
    /// Requests and responses that arrived and were dropped because far too many were waiting.
    overflowed,
    /// Responses that could not be sent.
    responses_lost,
    /// Stream packets that were ignored.
    streams_ignored,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
