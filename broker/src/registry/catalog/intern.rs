//! How equal services of different nodes become one.

use bytes::Bytes;
use foldhash::HashSet;
use ligand_transporters::Name;
use std::sync::{Arc, Weak};

use super::Catalog;
use crate::protocol::{ActionInfo, EventInfo, Raw, ServiceInfo, Services};
use crate::registry::actions::Action;
use crate::registry::endpoints::fingerprint;
use crate::registry::events::{EventSub, list_key};
use crate::registry::services::{NodeServices, Service};

/// What one INFO has listed already: a name that comes again is not listed again.
#[derive(Default)]
struct Listed {
    actions: HashSet<Name>,
    events: HashSet<String>,
}

impl Catalog {
    /// The services of another node whose text is the same.
    pub(super) fn shared_services(&self, raw: &Raw) -> Option<Arc<NodeServices>> {
        let shared = self.shared.get(&fingerprint(raw.bytes()))?.upgrade()?;
        (shared.raw() == raw.bytes()).then_some(shared)
    }

    /// Brings parsed services into the form to keep, with every definition that is known already.
    pub(super) fn intern(&mut self, services: Services) -> Arc<NodeServices> {
        let Services { raw, list } = services;
        let mut listed = Listed::default();
        let list =
            list.into_iter().map(|service| Arc::new(self.intern_service(service, &mut listed))).collect();
        let services = Arc::new(NodeServices::new(Bytes::clone(&raw), list));
        // Each node keeps one value alive, so more than that many are left-overs.
        if self.shared.len() > self.snapshot.ids.len().saturating_mul(2) {
            self.shared.retain(|_, services| services.strong_count() > 0);
        }
        self.shared.insert(fingerprint(&raw), Arc::downgrade(&services));
        services
    }

    fn intern_service(&self, mut info: ServiceInfo, listed: &mut Listed) -> Service {
        let actions = std::mem::take(&mut info.actions);
        let actions = actions
            .into_iter()
            .filter(|action| action.visibility.is_remote() && listed.actions.insert(action.name.clone()))
            .map(|action| self.intern_action(&info.full_name, action))
            .collect();
        let events = std::mem::take(&mut info.events);
        let events = events
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
        Service::new(info, actions, events)
    }

    fn intern_action(&self, service: &Name, info: ActionInfo) -> Arc<Action> {
        let fingerprint = Action::fingerprint_of(service, &info.definition);
        let same = |known: &Action| known.service == *service && known.definition == info.definition;
        let entry = self.snapshot.actions.get(&info.name);
        if let Some(known) = entry.and_then(|entry| entry.available.known(fingerprint, same)) {
            return Arc::clone(known);
        }
        let run = (self.composer)(&info);
        Arc::new(Action {
            encode: false,
            name: info.name,
            service: service.clone(),
            visibility: info.visibility,
            timeout: info.timeout,
            definition: info.definition,
            run,
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
            definition: info.definition,
            run: None,
        })
    }

    #[cfg(test)]
    pub(in crate::registry) fn shared_values(&self) -> usize {
        self.shared.values().filter(|services| Weak::strong_count(services) > 0).count()
    }
}
