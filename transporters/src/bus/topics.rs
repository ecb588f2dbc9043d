//! Topics that were used before, so that a send makes none.

use std::collections::HashMap;

use crate::{Name, NodeId, PacketKind, Route};

/// Destinations that are remembered; at one more, all are forgotten.
const MAX: usize = 16_384;

type PerKind<T> = [Option<T>; PacketKind::ALL.len()];

/// Topics by destination.
#[derive(Debug)]
pub(super) struct TopicCache<T> {
    broadcast: PerKind<T>,
    nodes: HashMap<NodeId, PerKind<T>>,
    requests: HashMap<Name, T>,
    events: HashMap<(Name, Name), T>,
}

impl<T> Default for TopicCache<T> {
    fn default() -> Self {
        Self {
            broadcast: [const { None }; PacketKind::ALL.len()],
            nodes: HashMap::new(),
            requests: HashMap::new(),
            events: HashMap::new(),
        }
    }
}

impl<T: Clone> TopicCache<T> {
    /// The topic of a destination, made by `make` the first time.
    pub(super) fn topic(&mut self, to: &Route, kind: PacketKind, make: impl FnOnce() -> T) -> T {
        if self.nodes.len() + self.requests.len() + self.events.len() > MAX {
            *self = Self::default();
        }
        let nth = kind as usize;
        match to {
            Route::Broadcast => self.broadcast[nth].get_or_insert_with(make).clone(),
            Route::Node { id, .. } => match self.nodes.get_mut(id) {
                Some(kinds) => kinds[nth].get_or_insert_with(make).clone(),
                None => {
                    let kinds = self.nodes.entry(id.clone());
                    let kinds = kinds.or_insert([const { None }; PacketKind::ALL.len()]);
                    kinds[nth].get_or_insert_with(make).clone()
                }
            },
            Route::BalancedRequest { action } => match self.requests.get(action) {
                Some(topic) => topic.clone(),
                None => self.requests.entry(action.clone()).or_insert_with(make).clone(),
            },
            Route::BalancedEvent { event, group } => {
                self.events.entry((event.clone(), group.clone())).or_insert_with(make).clone()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_made_once_per_destination_and_kind() {
        let mut cache = TopicCache::default();
        let node = Route::Node { id: NodeId::new("a").unwrap(), addr: None };
        let balanced = Route::BalancedRequest { action: "math.add".into() };
        for (number, (route, kind)) in [
            (&node, PacketKind::Request),
            (&node, PacketKind::Response),
            (&Route::Broadcast, PacketKind::Info),
            (&balanced, PacketKind::Request),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(cache.topic(route, kind, || number), number);
            assert_eq!(cache.topic(route, kind, || unreachable!("made already")), number);
        }
    }

    #[test]
    fn names_of_foreign_nodes_do_not_fill_the_memory() {
        let mut cache = TopicCache::default();
        for number in 0..3 * MAX {
            let id = NodeId::new(format!("node-{number}")).unwrap();
            cache.topic(&Route::Node { id, addr: None }, PacketKind::Response, || ());
        }
        assert!(cache.nodes.len() <= MAX + 1);
    }
}
