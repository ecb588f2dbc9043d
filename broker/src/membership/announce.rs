//! This node tells the others that it is there and what it offers, and takes that back.

use std::sync::Arc;
use tokio::sync::oneshot;

use super::presence::TakenBack;
use super::turn::Turn;
use crate::protocol::{MAX_CLAIM, Outgoing};
use crate::registry::LocalInfo;

impl Turn<'_> {
    /// Announces this node as it was at some moment, or as it was announced since.
    fn announce(&mut self, info: Arc<LocalInfo>) {
        let info = self.env.note_announced(info);
        let transit = self.env.transit;
        transit.opens();
        transit.tell_own_oversize(&info.json);
        // What is taken back is said when this node is back.
        if self.env.state.presence.taken_back == TakenBack::Nothing {
            self.discoverer.announce(&mut self.env, &info);
        }
    }

    /// Announces it, and lets end what the bus balanced before.
    pub(super) fn announce_and_settle(&mut self, info: Arc<LocalInfo>) {
        let seq = info.seq;
        self.announce(info);
        self.env.transit.announced(self.env.broker, seq);
    }

    /// Announces once more. A node that is not announced yet has nothing to repeat.
    pub(super) fn announce_again(&mut self, info: Arc<LocalInfo>) {
        if self.env.is_present() {
            self.announce_and_settle(info);
        }
    }

    /// Announces what has changed, when its time has come.
    pub(super) fn announce_changes(&mut self) {
        let now = self.env.now;
        if self.env.state.presence.announce_at.take_if(|at| now >= *at).is_none() || !self.env.is_present() {
            return;
        }
        if self.env.transit.is_balanced() {
            // Comes back as [`Message::Announce`](super::Message::Announce) once the bus knows what to send here.
            self.env.transit.rebalance_and_announce(self.env.broker);
        } else {
            self.announce(self.env.registry().local_info());
        }
    }

    /// This node does not hear everything any more: nobody is to reckon with it.
    pub(super) fn take_back(&mut self, done: oneshot::Sender<()>) {
        let (transit, broker) = (self.env.transit, self.env.broker);
        let presence = &mut self.env.state.presence;
        if presence.taken_back == TakenBack::Nothing && !broker.shared().lifecycle.is_stopping() {
            presence.taken_back = TakenBack::Services;
            // What changed is announced when it is back.
            presence.announce_at = None;
            if presence.is_announced() && self.discoverer.is_broadcast() {
                let info = broker.shared().registry.taken_back();
                if let Err(error) = transit.broadcast_leaving(&Outgoing::Info(&info.json)) {
                    tracing::debug!(error = %error, "services not taken back");
                }
                presence.announced = Some(info);
            }
        }
        // Who asked may have given up.
        let _ = done.send(());
    }

    /// Says farewell for the time being.
    pub(super) fn go_away(&mut self) {
        let presence = &mut self.env.state.presence;
        if presence.taken_back != TakenBack::Services {
            return;
        }
        presence.taken_back = TakenBack::All;
        if !presence.is_announced() {
            return;
        }
        if let Err(error) = self.env.transit.broadcast_leaving(&Outgoing::Disconnect) {
            tracing::debug!(error = %error, "farewell not sent");
        }
        // Nobody waits for it.
        self.discoverer.leave(oneshot::channel().0);
    }

    /// The connection is back, and this node hears everything.
    pub(super) fn come_back(&mut self, info: Arc<LocalInfo>) {
        self.env.state.presence.taken_back = TakenBack::Nothing;
        if !self.env.is_present() {
            return;
        }
        // It was looked at before what this node offered was taken back.
        let outdated = self.env.state.presence.is_ahead_of(&info);
        if outdated && self.env.transit.is_balanced() {
            self.env.transit.rebalance_and_announce(self.env.broker);
        } else {
            let info = if outdated { self.env.registry().local_info() } else { info };
            self.announce_and_settle(info);
        }
    }

    /// Says again what this node is, where somebody else spoke in its name.
    pub(super) fn defend(&mut self) {
        let now = self.env.now;
        let Some(refutation) = self.env.state.presence.defence.take(now.into_std()) else { return };
        let registry = self.env.registry();
        if let Some(seq) = refutation.forged.filter(|seq| *seq <= MAX_CLAIM) {
            registry.outdo(seq);
        }
        if !self.env.is_present() {
            return;
        }
        if let Some(seq) = refutation.forged {
            self.env.report_forged();
            if seq > MAX_CLAIM {
                // Not to be exceeded for ever. After a farewell every number counts, for Node as well.
                registry.outdo(registry.local_info().seq);
                self.say_farewell();
            }
        }
        self.env.state.presence.announce_at = Some(now);
    }

    /// This node is about to stop: tells everybody that it offers nothing.
    pub(super) fn announce_leaving(&mut self, done: oneshot::Sender<()>) {
        let info = self.env.registry().stopping();
        self.env.state.claim.announce_nothing();
        let presence = &mut self.env.state.presence;
        if presence.is_there() {
            let info = self.env.note_announced(info);
            self.env.state.presence.announce_at = None;
            self.discoverer.announce_leaving(&mut self.env, &info, done);
            return;
        }
        if presence.is_announced() {
            presence.announced = Some(info);
        }
        // What it would take back may be what another node with our id has said.
        let _ = done.send(());
    }

    /// This node stops: says farewell.
    pub(super) fn leave(&mut self, done: oneshot::Sender<()>) {
        if self.env.state.presence.is_there() {
            self.say_farewell();
        } else {
            self.go_away();
        }
        if self.env.state.presence.is_announced() {
            self.discoverer.leave(done);
        } else {
            let _ = done.send(());
        }
    }

    /// As far as this membership knows the word.
    fn say_farewell(&self) {
        if self.discoverer.says_farewell()
            && let Err(error) = self.env.transit.broadcast(&Outgoing::Disconnect)
        {
            tracing::debug!(error = %error, "farewell not sent");
        }
    }
}
