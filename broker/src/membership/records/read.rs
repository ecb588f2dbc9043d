//! Handles what was read from the store of a discoverer, and whether the store is in reach.

use bytes::Bytes;
use ligand_transporters::{Name, NodeId, PacketKind, TransportError};
use serde_json::json;

use super::commands::Command;
use super::{Records, address};
use crate::discovery::beats::Known;
use crate::discovery::conflict::{Evidence, Source};
use crate::discovery::record_names::Beat;
use crate::membership::env::Env;
use crate::protocol::{InfoPacket, Packet};
use crate::registry::InfoKind;
use crate::transit::{Lost, Said, Transit, shown};

impl Records {
    /// Handles the beats that were found.
    pub(super) fn beats(&mut self, env: &mut Env<'_>, found: Vec<(Beat, Option<Bytes>)>) {
        let now = env.std_now();
        let mut double = None;
        let (mut beats, mut values) = (Vec::with_capacity(found.len()), Vec::new());
        for (beat, value) in found {
            if !env.is_own(&beat.node) {
                values.extend(value.map(|value| (beat.node.clone(), value)));
            } else if !env.broker.instance_id().starts_with(beat.instance.as_str()) {
                double = Some(beat.instance.clone());
            }
            beats.push(beat);
        }
        let registry = env.registry().snapshot();
        let known = |node: &NodeId| {
            let node = registry.node_by_id(node.as_str()).filter(|node| node.is_available())?;
            Some(Known { instance: node.instance_id().clone(), seq: node.seq() })
        };
        let verdict = self.liveness.scanned(&beats, known, env.registry().room(), now);
        for node in &verdict.alive {
            env.registry().heartbeat(node.as_str(), None, now);
        }
        for node in &verdict.gone {
            self.gone(env, node, true);
        }
        if !verdict.fetch.is_empty() {
            self.commands.give(Command::Fetch(verdict.fetch));
        }
        for (node, value) in values {
            let incoming = env.transit.open_record(&*self.serializer, PacketKind::Heartbeat, value);
            if let Some(incoming) = incoming
                && let Packet::Heartbeat(beat) = incoming.packet
                && incoming.sender == node
            {
                let cpu = beat.cpu.map(|cpu| cpu as f32);
                env.registry().heartbeat(node.as_str(), cpu, now);
            }
        }
        // An earlier process of this node leaves beats behind as well, so a probe has to decide.
        if let Some(instance) = double {
            self.weigh(env, instance);
        }
    }

    /// Another process wrote in this node's name. Between peers, a double that is known only by its records
    /// cannot be asked.
    pub(super) fn weigh(&self, env: &mut Env<'_>, instance: Name) {
        if !self.addressed {
            let instance = Some(instance).filter(|instance| !instance.is_empty());
            env.weigh(&Evidence { source: Source::Info, address: None, instance });
        }
    }

    /// Handles the INFO of a node that was read from the store.
    pub(super) fn record(&mut self, env: &mut Env<'_>, node: &NodeId, value: Bytes) {
        let Some(incoming) = env.transit.open_record(&*self.serializer, PacketKind::Info, value) else {
            return;
        };
        if incoming.sender != *node || env.transit.accept(env.broker, &incoming).is_none() {
            tracing::debug!(node = %node, "the INFO of a node in the store cannot be used");
            return;
        }
        let version = incoming.ver.known();
        if let Packet::Info(info) = incoming.packet {
            self.info(env, node, *info);
        }
        if let Some(version) = version {
            env.registry().seen_version(node.as_str(), version);
        }
    }

    pub(super) fn info(&mut self, env: &mut Env<'_>, node: &NodeId, info: InfoPacket) {
        let by_name = env.transit.uplink().peering.use_hostname;
        let host = info.hostname.as_ref().filter(|_| by_name).or(info.ip_list.first());
        let host = host.or(info.hostname.as_ref());
        let at = host.zip(info.port).map(|(host, port)| address(host, port));
        let Some(change) = env.apply_info(node, info) else {
            self.liveness.heard(node, env.std_now());
            return;
        };
        if let Some(evicted) = &change.evicted {
            self.forget(env.transit, evicted);
        }
        if matches!(change.kind, InfoKind::Refused | InfoKind::Own | InfoKind::Conflict) {
            return;
        }
        self.liveness.online(node, env.std_now());
        if let Some(at) = at.filter(|_| self.addressed) {
            env.transit.addresses().set(node, Some(&at));
        }
    }

    /// Records may be missing although their authors believe that they are there.
    pub(super) fn forgotten(&mut self, env: &Env<'_>) {
        self.liveness.forbear(env.std_now());
        if env.is_present() {
            self.write(env, &env.current_info(), None);
        } else {
            self.commands.give(Command::Scan);
        }
    }

    pub(super) fn out_of_reach(&mut self, env: &Env<'_>, error: &TransportError) {
        let said = self.outage.lost(error, Lost::Gone, env.std_now());
        tell(env.transit, said);
        let data = json!({
            "error": { "message": error.to_string() },
            "module": "discoverer",
            "type": "clientError",
        });
        env.broker.publish_local("$discoverer.error", data);
    }
}

/// Logs whether the store is in reach.
pub(super) fn tell(transit: &Transit, said: Option<Said>) {
    let node = transit.node();
    match said {
        None => {}
        Some(Said::Lost { why, left_out, .. }) => tracing::error!(
            node = %node,
            left_out = (left_out > 0).then_some(left_out),
            "the store of the discoverer is lost: {why}; nodes that are known stay, trying again"
        ),
        Some(Said::Back { away, left_out }) => {
            let took = shown(away);
            tracing::info!(
                node = %node,
                away_ms = away.as_millis(),
                left_out = (left_out > 0).then_some(left_out),
                "the store of the discoverer is in reach again after {took}"
            );
        }
    }
}
