//! Shares equal services of different nodes.

use bytes::Bytes;
use foldhash::{HashMap, HashSet};
use ligand_transporters::Name;
use std::sync::{Arc, Weak};

use super::Catalog;
use crate::config::Timeout;
use crate::handler::Chains;
use crate::protocol::{ActionInfo, EventInfo, Raw, ServiceInfo, Services};
use crate::registry::actions::Action;
use crate::registry::endpoints::fingerprint;
use crate::registry::events::{EventSub, list_key};
use crate::registry::services::{NodeServices, Service};

/// Values that live as long as some node uses them, by their fingerprints.
#[derive(Debug)]
pub(super) struct Interner<T> {
    known: HashMap<u64, Weak<T>>,
    /// The number of entries from which a sweep is worthwhile.
    sweep_at: usize,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { known: HashMap::default(), sweep_at: 64 }
    }
}

impl<T> Interner<T> {
    fn get(&self, fingerprint: u64, same: impl FnOnce(&T) -> bool) -> Option<Arc<T>> {
        self.known.get(&fingerprint)?.upgrade().filter(|known| same(known))
    }

    fn insert(&mut self, fingerprint: u64, value: &Arc<T>) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, known| known.strong_count() > 0);
            self.sweep_at = self.known.len().saturating_mul(2).max(64);
        }
        self.known.insert(fingerprint, Arc::downgrade(value));
    }
}

/// The names that one INFO has listed so far. A name that occurs again is not listed again.
#[derive(Default)]
struct Listed {
    actions: HashSet<Name>,
    events: HashSet<String>,
}

impl Catalog {
    /// The services of another node with the same text.
    pub(super) fn shared_services(&self, raw: &Raw) -> Option<Arc<NodeServices>> {
        self.shared.get(fingerprint(raw.bytes()), |known| known.raw() == raw.bytes())
    }

    /// Brings parsed services into the form that is kept, and replaces services and definitions that are
    /// known by the known ones.
    ///
    /// Values that several nodes may share are copied out of their first INFO. Otherwise, the last definition
    /// in use would keep the whole INFO in memory.
    pub(super) fn intern(&mut self, services: Services) -> Arc<NodeServices> {
        let Services { raw, list } = services;
        let mut listed = Listed::default();
        let list = list.into_iter().map(|service| self.intern_service(service, &mut listed)).collect();
        let services = Arc::new(NodeServices::new(Bytes::clone(&raw), list));
        self.shared.insert(fingerprint(&raw), &services);
        services
    }

    fn intern_service(&mut self, mut info: ServiceInfo, listed: &mut Listed) -> Arc<Service> {
        let actions = std::mem::take(&mut info.actions);
        let actions: Vec<_> = actions
            .into_iter()
            .filter(|action| action.visibility.is_remote() && listed.actions.insert(action.name.clone()))
            .map(|action| self.intern_action(&info.full_name, action))
            .collect();
        let events = std::mem::take(&mut info.events);
        let events: Vec<_> = events
            .into_iter()
            .filter_map(|event| {
                let group = event.group.clone().unwrap_or_else(|| info.name.clone());
                let key = list_key(&event.name, &group);
                if listed.events.contains(&key) {
                    return None;
                }
                let event = self.intern_event(&info.full_name, group, &key, event);
                listed.events.insert(key);
                Some(event)
            })
            .collect();
        let service = Service::new(info, actions, events);
        let fingerprint = service.fingerprint();
        if let Some(known) = self.shared_service.get(fingerprint, |known| known.same(&service)) {
            return known;
        }
        let service = Arc::new(service.detached());
        self.shared_service.insert(fingerprint, &service);
        service
    }

    fn intern_action(&self, service: &Name, info: ActionInfo) -> Arc<Action> {
        let fingerprint = Action::fingerprint_of(service, &info.definition);
        let same = |known: &Action| known.service == *service && known.definition == info.definition;
        let entry = self.snapshot.actions.get(&info.name);
        if let Some(known) = entry.and_then(|entry| entry.available.known(fingerprint, same)) {
            return Arc::clone(known);
        }
        let Chains { around, run } = (self.composer)(service, &info);
        Arc::new(Action {
            encode: false,
            gate: None,
            name: info.name,
            service: service.clone(),
            visibility: info.visibility,
            timeout: info.timeout.map(Timeout::from_node),
            definition: info.definition.detached(),
            run,
            around,
        })
    }

    fn intern_event(&self, service: &Name, group: Name, key: &str, info: EventInfo) -> Arc<EventSub> {
        let fingerprint = EventSub::fingerprint_of(service, &info.definition);
        let same = |known: &EventSub| known.service == *service && known.definition == info.definition;
        let list = self.events.get(key);
        if let Some(known) = list.and_then(|list| list.available.known(fingerprint, same)) {
            return Arc::clone(known);
        }
        Arc::new(EventSub {
            pattern: info.name,
            group,
            service: service.clone(),
            definition: info.definition.detached(),
            gate: None,
            queue: None,
            run: None,
        })
    }

    #[cfg(test)]
    pub(in crate::registry) fn shared_values(&self) -> usize {
        self.shared.known.values().filter(|services| Weak::strong_count(services) > 0).count()
    }
}
