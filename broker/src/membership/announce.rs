//! Announces to the others that this node is there and what it offers, and takes that back.

use std::sync::Arc;
use tokio::sync::oneshot;

use super::presence::TakenBack;
use super::turn::Turn;
use crate::protocol::{MAX_CLAIM, Outgoing};
use crate::registry::LocalInfo;

impl Turn<'_> {
    /// Announces `info`, or what was announced since, if that is newer.
    fn announce(&mut self, info: Arc<LocalInfo>) {
        let info = self.env.note_announced(info);
        let transit = self.env.transit;
        transit.opens();
        transit.tell_own_oversize(&info.json);
        // If the services are taken back, the announcement follows when this node is back.
        if self.env.state.presence.taken_back == TakenBack::Nothing {
            self.discoverer.announce(&mut self.env, &info);
        }
    }

    /// Announces this node, then ends the balanced subscriptions that only had to wait for that.
    pub(super) fn announce_and_settle(&mut self, info: Arc<LocalInfo>) {
        let seq = info.seq;
        self.announce(info);
        self.env.transit.announced(self.env.broker, seq);
    }

    /// Announces this node once more. A node that is not announced yet has nothing to repeat.
    pub(super) fn announce_again(&mut self, info: Arc<LocalInfo>) {
        if self.env.is_present() {
            self.announce_and_settle(info);
        }
    }

    /// Announces changes that are due.
    pub(super) fn announce_changes(&mut self) {
        let now = self.env.now;
        if self.env.state.presence.announce_at.take_if(|at| now >= *at).is_none() || !self.env.is_present() {
            return;
        }
        if self.env.transit.is_balanced() {
            // This comes back as [`Message::Announce`](super::Message::Announce), once the bus knows what to
            // send here.
            self.env.transit.rebalance_and_announce(self.env.broker);
        } else {
            self.announce(self.env.registry().local_info());
        }
    }

    /// Takes this node's services back. It no longer hears everything, so nobody should count on it.
    pub(super) fn take_back(&mut self, done: oneshot::Sender<()>) {
        let (transit, broker) = (self.env.transit, self.env.broker);
        let presence = &mut self.env.state.presence;
        if presence.taken_back == TakenBack::Nothing && !broker.shared().lifecycle.is_stopping() {
            presence.taken_back = TakenBack::Services;
            // Changes are announced when this node is back.
            presence.announce_at = None;
            if presence.is_announced() && self.discoverer.is_broadcast() {
                let info = broker.shared().registry.taken_back();
                if let Err(error) = transit.broadcast_leaving(&Outgoing::Info(&info.json)) {
                    tracing::debug!(error = %error, "services not taken back");
                }
                presence.announced = Some(info);
            }
        }
        // The receiver may be gone.
        let _ = done.send(());
    }

    /// Says farewell for the time being, once the services were taken back.
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
        // Nobody waits for this.
        self.discoverer.leave(oneshot::channel().0);
    }

    /// The connection is back and this node hears everything: announces it again.
    pub(super) fn come_back(&mut self, info: Arc<LocalInfo>) {
        self.env.state.presence.taken_back = TakenBack::Nothing;
        if !self.env.is_present() {
            return;
        }
        // If so, `info` was read before the services were taken back.
        let outdated = self.env.state.presence.is_ahead_of(&info);
        if outdated && self.env.transit.is_balanced() {
            self.env.transit.rebalance_and_announce(self.env.broker);
        } else {
            let info = if outdated { self.env.registry().local_info() } else { info };
            self.announce_and_settle(info);
        }
    }

    /// Announces this node again, after somebody else spoke in its name.
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
                // A number this large is not outbid, because that could go on forever. After a farewell the
                // others accept any number, and so does Node.
                registry.outdo(registry.local_info().seq);
                self.say_farewell();
            }
        }
        self.env.state.presence.announce_at = Some(now);
    }

    /// This node is about to stop: tells the others that it offers nothing.
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
        // Nothing is taken back: what others know under this id may come from another node with our id.
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

    /// Broadcasts a farewell, if this way of membership has one.
    fn say_farewell(&self) {
        if self.discoverer.says_farewell()
            && let Err(error) = self.env.transit.broadcast(&Outgoing::Disconnect)
        {
            tracing::debug!(error = %error, "farewell not sent");
        }
    }
}
