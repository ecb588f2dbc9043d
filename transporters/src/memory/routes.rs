//! Who receives what: a snapshot of the subscriptions of one namespace, built for lookups.

use foldhash::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pattern;
use super::port::Port;
use crate::{Name, NodeId, PacketKind, Subscription};

/// A node and its subscriptions.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) port: Arc<Port>,
    pub(crate) subscriptions: HashSet<Subscription>,
}

/// See the module. It is replaced, but never changed.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    own: HashMap<NodeId, Vec<Own>>,
    broadcast: [Vec<Arc<Port>>; PacketKind::ALL.len()],
    requests: HashMap<Name, Ring>,
    events: HashMap<Name, Group>,
}

/// A node and the kinds of packets that reach it under its id.
#[derive(Debug)]
struct Own {
    port: Arc<Port>,
    kinds: u16,
}

/// Event subscriptions of one group.
#[derive(Debug, Default)]
struct Group {
    exact: HashMap<Name, Ring>,
    patterns: Vec<(Name, Ring)>,
    /// Chooses the next member if several subscriptions match an event.
    turn: AtomicUsize,
}

/// Nodes that take turns.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    ports: Vec<Arc<Port>>,
    turn: AtomicUsize,
}

impl Ring {
    fn turned(&self) -> impl Iterator<Item = &Arc<Port>> {
        let (behind, from) = self.ports.split_at(turn(&self.turn, self.ports.len()));
        from.iter().chain(behind)
    }
}

fn turn(counter: &AtomicUsize, count: usize) -> usize {
    counter.fetch_add(1, Ordering::Relaxed).checked_rem(count).unwrap_or(0)
}

fn bit(kind: PacketKind) -> u16 {
    1 << kind as u16
}

impl Routes {
    /// A snapshot of these nodes. They take turns in the given order.
    pub(crate) fn new(members: &[Member]) -> Self {
        let mut routes = Self::default();
        for Member { port, subscriptions } in members {
            let mut kinds = 0;
            for subscription in subscriptions {
                match subscription {
                    Subscription::Own(kind) => kinds |= bit(*kind),
                    Subscription::Broadcast(kind) => {
                        if let Some(ports) = routes.broadcast.get_mut(*kind as usize) {
                            ports.push(Arc::clone(port));
                        }
                    }
                    Subscription::BalancedRequest { action } => {
                        routes.requests.entry(action.clone()).or_default().ports.push(Arc::clone(port));
                    }
                    Subscription::BalancedEvent { event, group } => {
                        let group = routes.events.entry(group.clone()).or_default();
                        group.ring(event).ports.push(Arc::clone(port));
                    }
                }
            }
            if kinds != 0 {
                let own = Own { port: Arc::clone(port), kinds };
                routes.own.entry(port.id().clone()).or_default().push(own);
            }
        }
        for group in routes.events.values_mut() {
            // Subscriptions come in the order of a hash set. The turns must not depend on it.
            group.patterns.sort_by(|a, b| a.0.cmp(&b.0));
        }
        routes
    }

    /// Nodes with this id that subscribe to this kind. There is one, unless an id is used twice.
    pub(crate) fn own(&self, id: &NodeId, kind: PacketKind) -> impl Iterator<Item = &Arc<Port>> {
        let owners = self.own.get(id).map_or(&[][..], Vec::as_slice);
        owners.iter().filter(move |own| own.kinds & bit(kind) != 0).map(|own| &own.port)
    }

    /// Nodes with this id, whatever they subscribe to.
    pub(crate) fn to_id(&self, id: &NodeId) -> impl Iterator<Item = &Arc<Port>> {
        self.own.get(id).into_iter().flatten().map(|own| &own.port)
    }

    pub(crate) fn everybody(&self, kind: PacketKind) -> &[Arc<Port>] {
        self.broadcast.get(kind as usize).map_or(&[], Vec::as_slice)
    }

    /// Nodes that offer an action. The one whose turn it is comes first.
    pub(crate) fn request(&self, action: &Name) -> impl Iterator<Item = &Arc<Port>> {
        self.requests.get(action).into_iter().flat_map(Ring::turned)
    }

    /// Nodes of a group that subscribe to an event. The one whose turn it is comes first. A group whose
    /// patterns overlap is still one group: one of its members gets the event.
    pub(crate) fn event(&self, event: &Name, group: &Name) -> impl Iterator<Item = &Arc<Port>> {
        let group = self.events.get(group);
        group.into_iter().flat_map(move |group| group.turned(event))
    }
}

impl Group {
    fn turned(&self, event: &Name) -> impl Iterator<Item = &Arc<Port>> {
        let exact = self.exact.get(event);
        let mut matching =
            self.patterns.iter().filter(|(pattern, _)| pattern::matches(pattern, event)).peekable();
        let alone = exact.filter(|_| matching.peek().is_none());
        let rings = exact.filter(|_| alone.is_none()).into_iter().chain(matching.map(|(_, ring)| ring));
        let mut ports: Vec<_> = rings.flat_map(|ring| &ring.ports).collect();
        let first = turn(&self.turn, ports.len());
        ports.rotate_left(first);
        alone.into_iter().flat_map(Ring::turned).chain(ports)
    }

    fn ring(&mut self, event: &Name) -> &mut Ring {
        if !pattern::is_pattern(event) {
            return self.exact.entry(event.clone()).or_default();
        }
        let at = self.patterns.iter().position(|(pattern, _)| pattern == event).unwrap_or_else(|| {
            self.patterns.push((event.clone(), Ring::default()));
            self.patterns.len() - 1
        });
        &mut self.patterns[at].1
    }
}
