//! Updates lists of endpoints when the services of nodes change.

use foldhash::HashMap;
use serde::Deserialize;
use std::sync::Arc;

use super::Catalog;
use crate::codec::read_json;
use crate::config::Timeout;
use crate::handler::Chains;
use crate::protocol::{ActionInfo, Raw};
use crate::registry::actions::{Action, ActionEntry};
use crate::registry::endpoints::Endpoints;
use crate::registry::events::{EventList, EventSub};
use crate::registry::nodes::NodeIx;
use crate::registry::services::NodeServices;
use crate::strategy::{Strategy, StrategyKind};

/// The number of names without endpoints that are remembered, so that "not available" differs from "not
/// found".
const IDLE_NAMES: usize = 65_536;
/// The number of empty subscriber lists that are remembered.
const IDLE_LISTS: usize = 4_096;
/// The largest number of action names, and of subscriber lists, in a registry. Further ones cannot be called
/// from this node until others are gone.
const MOST: usize = 1_000_000;

/// The largest number of patterns that match more than one name, from all remote nodes together. Each new
/// event name is tried with each of them. A subscription that would exceed it is left out.
const MOST_WILD: usize = 4_096;

impl Catalog {
    /// Updates the lists with the current services of a remote node. Returns whether anything has changed.
    pub(super) fn relink(&mut self, node: NodeIx, old: &Arc<NodeServices>, new: &Arc<NodeServices>) -> bool {
        if Arc::ptr_eq(old, new) {
            return false;
        }
        let mut changed = false;
        let mut gone: HashMap<&str, &Arc<Action>> = old.actions().map(|a| (a.name.as_str(), a)).collect();
        for action in new.actions() {
            match gone.remove(action.name.as_str()) {
                Some(known) if Arc::ptr_eq(known, action) => continue,
                Some(_) => self.edit_action(action, |entry| entry.available.replace(node, action)),
                None => self.edit_action(action, |entry| entry.available.add(node, action)),
            }
            changed = true;
        }
        for action in gone.into_values() {
            self.edit_action(action, |entry| entry.available.remove(node));
            changed = true;
        }
        self.relink_events(node, old, new) || changed
    }

    fn relink_events(&mut self, node: NodeIx, old: &NodeServices, new: &NodeServices) -> bool {
        let mut changed = false;
        let mut gone: HashMap<String, &Arc<EventSub>> = old.events().map(|e| (e.key(), e)).collect();
        for event in new.events() {
            let key = event.key();
            match gone.remove(&key) {
                Some(known) if Arc::ptr_eq(known, event) => continue,
                Some(_) => self.edit_events(&key, event, |list| list.available.replace(node, event)),
                None => self.edit_events(&key, event, |list| list.available.add(node, event)),
            }
            changed = true;
        }
        for (key, event) in gone {
            self.edit_events(&key, event, |list| list.available.remove(node));
            changed = true;
        }
        changed
    }

    pub(super) fn add_local_action(&mut self, action: &Arc<Action>) {
        let by_bus = (self.options.by_bus && action.callable_remotely()).then(|| self.seen_from_afar(action));
        self.edit_action(action, |entry| {
            entry.local = Some(Arc::clone(action));
            entry.local_by_bus = by_bus;
            entry.available.add_local();
        });
    }

    /// A local action for its callers on other nodes: with the layers of a caller, and run by a packet.
    fn seen_from_afar(&self, action: &Action) -> Arc<Action> {
        let info = ActionInfo {
            name: action.name.clone(),
            visibility: action.visibility,
            timeout: action.timeout.map(Timeout::for_node),
            definition: action.definition.clone(),
        };
        let Chains { around, run } = (self.composer)(&action.service, &info);
        Arc::new(Action {
            encode: false,
            gate: None,
            service: action.service.clone(),
            run,
            around,
            name: info.name,
            visibility: info.visibility,
            timeout: action.timeout,
            definition: info.definition,
        })
    }

    pub(super) fn remove_local_action(&mut self, action: &Arc<Action>) {
        self.edit_action(action, |entry| {
            entry.local = None;
            entry.local_by_bus = None;
            entry.available.remove(NodeIx::LOCAL);
        });
    }

    pub(super) fn add_local_event(&mut self, event: &Arc<EventSub>) {
        self.edit_events(&event.key(), event, |list| {
            if list.local.is_empty() {
                list.available.add_local();
            }
            list.local.push(Arc::clone(event));
        });
        self.follow_local(&event.key());
    }

    pub(super) fn remove_local_event(&mut self, event: &Arc<EventSub>) {
        self.edit_events(&event.key(), event, |list| {
            list.local.retain(|known| !Arc::ptr_eq(known, event));
            if list.local.is_empty() {
                list.available.remove(NodeIx::LOCAL);
            }
        });
        self.follow_local(&event.key());
    }

    /// Copies a list to the lists with local subscribers, or removes it from there.
    fn follow_local(&mut self, key: &str) {
        match self.events.get(key).filter(|list| !list.local.is_empty()) {
            Some(list) => self.local_events.insert(EventList::clone(list)),
            None => self.local_events.remove(key),
        }
        self.local_events_changed = true;
    }

    fn edit_action(&mut self, action: &Action, edit: impl FnOnce(&mut ActionEntry)) {
        let actions = &mut self.snapshot.actions;
        let mut entry = match actions.get(&action.name) {
            Some(known) => ActionEntry::clone(known),
            None if actions.len() >= MOST => return,
            None => {
                self.order += 1;
                ActionEntry {
                    name: action.name.clone(),
                    local: None,
                    local_by_bus: None,
                    available: Endpoints::default(),
                    strategy: strategy(&action.definition, self.options.strategy),
                    order: self.order,
                    idle: 0,
                }
            }
        };
        edit(&mut entry);
        if entry.available.is_empty() && entry.idle == 0 {
            let counts = |stamp, name: &str| actions.get(name).is_some_and(|entry| entry.idle == stamp);
            entry.idle = self.idle_actions.add(entry.name.clone(), counts);
        } else if !entry.available.is_empty() && entry.idle != 0 {
            entry.idle = 0;
            self.idle_actions.woke();
        }
        actions.insert(Arc::new(entry));
        if self.idle_actions.len() > IDLE_NAMES {
            let counts = |stamp, name: &str| actions.get(name).is_some_and(|entry| entry.idle == stamp);
            if let Some(oldest) = self.idle_actions.take_oldest(counts) {
                actions.remove(&oldest);
            }
        }
        self.changed = true;
    }

    fn edit_events(&mut self, key: &str, event: &EventSub, edit: impl FnOnce(&mut EventList)) {
        let lists = &mut self.events;
        let mut list = match lists.get(key) {
            Some(known) => EventList::clone(known),
            None if event.run.is_none() && lists.len() >= MOST => return,
            None if event.run.is_none() && lists.wild() >= MOST_WILD && lists.is_new_wild(&event.pattern) => {
                return;
            }
            None => {
                self.order += 1;
                EventList {
                    key: key.into(),
                    pattern: event.pattern.clone(),
                    group: event.group.clone(),
                    local: Vec::new(),
                    available: Endpoints::default(),
                    strategy: strategy(&event.definition, self.options.strategy),
                    order: self.order,
                    idle: 0,
                }
            }
        };
        edit(&mut list);
        if list.available.is_empty() && list.idle == 0 {
            let counts = |stamp, key: &str| lists.get(key).is_some_and(|list| list.idle == stamp);
            list.idle = self.idle_events.add(list.key.clone(), counts);
        } else if !list.available.is_empty() && list.idle != 0 {
            list.idle = 0;
            self.idle_events.woke();
        }
        lists.insert(list);
        if self.idle_events.len() > IDLE_LISTS {
            let counts = |stamp, key: &str| lists.get(key).is_some_and(|list| list.idle == stamp);
            if let Some(oldest) = self.idle_events.take_oldest(counts) {
                lists.remove(&oldest);
            }
        }
        self.events_changed = true;
        self.changed = true;
    }
}

/// The strategy that the first definition of a name asks for, or else the broker's.
fn strategy(definition: &Raw, otherwise: StrategyKind) -> Arc<dyn Strategy> {
    #[derive(Deserialize)]
    struct Wish {
        strategy: Option<String>,
    }

    const KEY: &[u8] = br#""strategy""#;
    let text = definition.bytes();
    if !text.windows(KEY.len()).any(|window| window == KEY) {
        return otherwise.build();
    }
    let wish = read_json::<Wish>(text).ok().and_then(|wish| wish.strategy);
    wish.and_then(|name| StrategyKind::from_name(&name).ok()).unwrap_or(otherwise).build()
}
