//! Log lines about the connection, at most one a second of each kind.

use ligand_transporters::locks::MutexGuard;
use ligand_transporters::{SendError, TransportError};
use std::time::Duration;
use tokio::time::Instant;

use super::uplink::Uplink;
use super::{Lost, Outage, Said, shown};

impl Uplink {
    /// See [`Link::log_line`](ligand_transporters::Link::log_line).
    pub(crate) fn log_line(&self, cause: &'static str) -> Option<u64> {
        self.link.log_line(cause)
    }

    /// The first connection was made.
    pub(super) fn log_connected(&self, attempts: u32, took: Duration) {
        tracing::info!(
            node = %self.link.node(),
            transporter = self.url,
            attempts,
            elapsed_ms = took.as_millis(),
            "transporter connected"
        );
    }

    /// An attempt to make the first connection failed.
    pub(super) fn log_not_connected(&self, why: &TransportError, attempts: u32, wait: Duration) {
        if let Some(left_out) = self.log_line("transporter not connected") {
            tracing::warn!(
                node = %self.link.node(),
                transporter = self.url,
                error = %why,
                attempts,
                wait_ms = wait.as_millis(),
                left_out = (left_out > 0).then_some(left_out),
                "transporter not connected, trying again"
            );
        }
    }

    pub(super) fn log_lost(&self, why: &TransportError, how: Lost) {
        let said = self.outage().lost(why, how, Instant::now().into_std());
        self.log_said(said);
    }

    /// The connection is back. Its generation may be over by now.
    pub(super) fn log_back(&self, generation: u64) {
        let said = {
            let mut outage = self.outage();
            // Whoever loses the connection begins another generation first, and updates the outage after
            // this.
            if !self.is_generation(generation) {
                return;
            }
            outage.back(Instant::now().into_std())
        };
        self.log_said(said);
    }

    /// Logs what could not be logged before.
    pub(crate) fn log_outage(&self, now: Instant) {
        let said = self.outage().owed(now.into_std());
        self.log_said(said);
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock()
    }

    fn log_said(&self, said: Option<Said>) {
        match said {
            None => {}
            Some(Said::Lost { why, how: Lost::Gone, left_out }) => tracing::warn!(
                node = %self.link.node(),
                transporter = self.url,
                left_out = (left_out > 0).then_some(left_out),
                "transporter lost: {why}, trying again"
            ),
            Some(Said::Lost { why, how: Lost::Deaf, left_out }) => tracing::error!(
                node = %self.link.node(),
                transporter = self.url,
                left_out = (left_out > 0).then_some(left_out),
                "this node does not hear everything any more and leaves until it does: {why}"
            ),
            Some(Said::Back { away, left_out }) => {
                let took = shown(away);
                tracing::info!(
                    node = %self.link.node(),
                    transporter = self.url,
                    away_ms = away.as_millis(),
                    left_out = (left_out > 0).then_some(left_out),
                    "transporter connected again after {took}"
                );
            }
        }
    }

    /// A broadcast was not sent.
    pub(crate) fn log_unsent(&self, packet: &'static str, why: &SendError) {
        if let Some(left_out) = self.log_line(packet) {
            tracing::warn!(
                node = %self.link.node(),
                packet,
                error = %why,
                left_out = (left_out > 0).then_some(left_out),
                "a packet for all nodes was not sent"
            );
        }
    }
}
