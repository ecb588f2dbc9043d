//! Changes the services of this node, and makes its INFO.

use bytes::Bytes;
use foldhash::{HashSet, HashSetExt};
use ligand_transporters::Name;
use std::sync::Arc;

use super::Catalog;
use crate::protocol::InfoPacket;
use crate::registry::fingerprint::fingerprint;
use crate::registry::local::{LocalInfo, LocalService, service_json, services_json};
use crate::registry::nodes::{About, Node, NodeIx};
use crate::registry::services::{NodeServices, Service};
use crate::registry::{OwnWords, RegisterError};

/// How many of its last INFOs this node recognizes when others report them.
const SAID: usize = 64;

impl Catalog {
    /// Adds a service of this node. See [`Registry::add_local`](super::Registry::add_local).
    ///
    /// # Errors
    /// [`RegisterError`]. Then nothing has changed.
    pub(crate) fn add_local(&mut self, service: LocalService) -> Result<(), RegisterError> {
        let full_name = service.info.full_name.clone();
        if self.local.iter().any(|(name, _)| *name == full_name) {
            return Err(RegisterError::DuplicateService { service: full_name });
        }
        let mut own = HashSet::new();
        for action in &service.actions {
            let first = match self.snapshot.action(&action.name).and_then(|entry| entry.local.as_ref()) {
                Some(known) => known.service.clone(),
                None if !own.insert(action.name.clone()) => full_name.clone(),
                None => continue,
            };
            return Err(RegisterError::DuplicateAction {
                action: action.name.clone(),
                first,
                second: full_name,
            });
        }
        self.local.push((full_name, service_json(&service)));
        for action in &service.actions {
            self.add_local_action(action);
        }
        for event in &service.events {
            self.add_local_event(event);
        }
        let added = Service::new(service.info, service.actions, service.events);
        let services = self.local_services().chain([Arc::new(added)]).collect();
        self.put_local(services);
        Ok(())
    }

    /// Removes a service of this node. `false` if there is no such service.
    pub(crate) fn remove_local(&mut self, full_name: &str) -> bool {
        let Some(removed) = self.local_services().find(|service| service.full_name == full_name) else {
            return false;
        };
        self.local.retain(|(name, _)| name != full_name);
        for action in &removed.actions {
            self.remove_local_action(action);
        }
        for event in &removed.events {
            self.remove_local_event(event);
        }
        let services = self.local_services().filter(|service| service.full_name != full_name).collect();
        self.put_local(services);
        true
    }

    /// From now on, the INFO of this node contains no services.
    pub(crate) fn stopping(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.local_changed = true;
        }
    }

    /// An INFO without services, with the next sequence number. The next INFO contains them again.
    pub(crate) fn taken_back(&mut self) -> Arc<LocalInfo> {
        let stopping = std::mem::replace(&mut self.stopping, true);
        self.renew_local_info(self.local_info.seq.saturating_add(1));
        self.stopping = stopping;
        self.local_changed = true;
        Arc::clone(&self.local_info)
    }

    /// Sets where this node can be reached in its next INFO, which gets a new sequence number.
    pub(crate) fn set_local_place(&mut self, hostname: Option<Name>, port: Option<u16>) {
        let Some(node) = self.snapshot.node(NodeIx::LOCAL).cloned() else { return };
        let hostname = hostname.unwrap_or_else(|| self.identity.hostname.clone());
        if node.port() != port || hostname != self.identity.hostname {
            self.identity.hostname = hostname;
            let about = Arc::new(About::of_local(&self.identity, port));
            self.put(Node { about, ..node.copy() });
            self.local_changed = true;
        }
    }

    /// The origin of an INFO. See [`Registry::heard_of_us`](super::Registry::heard_of_us).
    pub(crate) fn heard_of_us(&self, packet: &InfoPacket) -> OwnWords {
        let said = self.said.iter().find(|(seq, _)| *seq == packet.seq);
        match (said, self.said.front()) {
            // What cannot be read back cannot be compared with what was sent.
            (Some((_, None)), _) => OwnWords::Ours,
            (Some((_, print)), _) if *print == fingerprint(packet.raw.bytes()) => OwnWords::Ours,
            (None, Some((oldest, _))) if packet.seq < *oldest => OwnWords::Unsure,
            _ => OwnWords::Forged,
        }
    }

    /// Makes the sequence number of this node higher than the one that others believe.
    pub(crate) fn outdo(&mut self, seq: u64) {
        let own = self.local_info.seq.saturating_add(u64::from(self.local_changed));
        if own <= seq {
            self.renew_local_info(seq.saturating_add(1));
        }
    }

    /// The INFO of this node. A change since the last one increases its sequence number.
    pub(crate) fn local_info(&mut self) -> Arc<LocalInfo> {
        if self.local_changed {
            self.renew_local_info(self.local_info.seq.saturating_add(1));
        }
        Arc::clone(&self.local_info)
    }

    fn renew_local_info(&mut self, seq: u64) {
        let Some(node) = self.snapshot.node(NodeIx::LOCAL).cloned() else { return };
        let services = if self.stopping {
            "[]".to_owned()
        } else {
            services_json(self.local.iter().map(|(name, json)| (name, json.as_str())))
        };
        self.local_info = Arc::new(LocalInfo::new(&self.identity, seq, node.port(), &services));
        if self.said.len() >= SAID {
            self.said.pop_front();
        }
        self.said.push_back((seq, fingerprint(&self.local_info.json)));
        self.local_changed = false;
        self.put(Node { seq, ..node.copy() });
    }

    fn local_services(&self) -> impl Iterator<Item = Arc<Service>> + use<> {
        let services = self.snapshot.node(NodeIx::LOCAL).map(|node| Arc::clone(&node.services));
        services.into_iter().flat_map(|services| services.list().to_vec())
    }

    fn put_local(&mut self, mut services: Vec<Arc<Service>>) {
        services.sort_by_key(|service| !service.full_name.starts_with('$'));
        let Some(node) = self.snapshot.node(NodeIx::LOCAL).cloned() else { return };
        let services = Arc::new(NodeServices::new(Bytes::new(), services));
        self.put(Node { services, ..node.copy() });
        self.local_changed = true;
    }
}
