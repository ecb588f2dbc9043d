//! What membership keeps from one turn of the control loop to the next.

use ligand_transporters::Membership;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::claim::Claim;
use super::departures::Departures;
use super::discoverer::Discoverer;
use super::env::Env;
use super::gossip::Gossiper;
use super::heartbeats::Heartbeats;
use super::presence::Presence;
use super::records::{Records, Store};
use super::turn::Turn;
use super::versions::Versions;
use crate::broker::ServiceBroker;
use crate::discovery::Bucket;
use crate::transit::Transit;

/// How often the parts that depend on the clock are checked.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// The time between two log lines about nodes for which there is no room.
const NO_ROOM_LINES: Duration = Duration::from_secs(60);

/// The membership of this node.
pub(super) struct Driver {
    pub(super) discoverer: Box<dyn Discoverer>,
    pub(super) state: State,
}

/// What membership keeps, however nodes learn of each other.
pub(super) struct State {
    pub(super) presence: Presence,
    pub(super) departures: Departures,
    pub(super) claim: Claim,
    pub(super) versions: Versions,
    /// Limits the log lines about nodes for which there is no room.
    pub(super) no_room_lines: Bucket,
    /// When [`Turn::tick`] next does what it does every [`TICK`].
    pub(super) next_tick: Instant,
}

impl Driver {
    pub(super) fn new(transit: &Transit, broker: &ServiceBroker, store: Option<Store>, now: Instant) -> Self {
        let config = broker.config();
        let kind = transit.uplink().membership;
        let discoverer: Box<dyn Discoverer> = match (store, kind) {
            (Some(store), kind) => Box::new(Records::new(store, transit.node(), kind, config, now)),
            (None, Membership::Gossip) => Box::new(Gossiper::new(transit, broker, now)),
            (None, _) => Box::new(Heartbeats::new(config, now)),
        };
        let claim = Claim::new(broker.instance_id().clone(), config.transit.id_conflict_wait, kind);
        let state = State {
            presence: Presence::default(),
            departures: Departures::default(),
            claim,
            versions: Versions::default(),
            no_room_lines: Bucket::new(1, NO_ROOM_LINES),
            next_tick: now + TICK,
        };
        Self { discoverer, state }
    }

    /// When [`Turn::tick`] has to be called.
    pub(super) fn next_tick(&self) -> Instant {
        self.state.next_tick().min(self.discoverer.next_tick())
    }

    /// Begins a turn.
    pub(super) fn turn<'a>(
        &'a mut self,
        transit: &'a Arc<Transit>,
        broker: &'a ServiceBroker,
        now: Instant,
    ) -> Turn<'a> {
        let env = Env { transit, broker, state: &mut self.state, now };
        Turn { discoverer: &mut *self.discoverer, env }
    }
}

impl State {
    /// When something here is due.
    pub(super) fn next_tick(&self) -> Instant {
        let Self { presence, departures, claim, next_tick, .. } = self;
        presence.due().chain(departures.due()).chain(claim.due()).fold(*next_tick, Instant::min)
    }
}
