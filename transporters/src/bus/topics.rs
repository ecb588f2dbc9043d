//! A cache of topics, so that a send does not create them again.

use std::collections::HashMap;

use crate::{Name, NodeId, PacketKind, Route, SendError};

/// The number of destinations that are remembered. If there is one more, all are forgotten.
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
    /// The topic of a destination. `make` creates it the first time. A topic that cannot be created is not
    /// kept.
    pub(super) fn topic(
        &mut self,
        to: &Route,
        kind: PacketKind,
        make: impl FnOnce() -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        if self.nodes.len() + self.requests.len() + self.events.len() > MAX {
            *self = Self::default();
        }
        let nth = kind as usize;
        match to {
            Route::Broadcast => kept(&mut self.broadcast[nth], make),
            Route::Node { id, .. } => match self.nodes.get_mut(id) {
                Some(kinds) => kept(&mut kinds[nth], make),
                None => {
                    let topic = make()?;
                    let kinds = self.nodes.entry(id.clone());
                    let kinds = kinds.or_insert([const { None }; PacketKind::ALL.len()]);
                    kinds[nth] = Some(topic.clone());
                    Ok(topic)
                }
            },
            Route::BalancedRequest { action } => match self.requests.get(action) {
                Some(topic) => Ok(topic.clone()),
                None => {
                    let topic = make()?;
                    self.requests.insert(action.clone(), topic.clone());
                    Ok(topic)
                }
            },
            Route::BalancedEvent { event, group } => {
                let key = (event.clone(), group.clone());
                match self.events.get(&key) {
                    Some(topic) => Ok(topic.clone()),
                    None => {
                        let topic = make()?;
                        self.events.insert(key, topic.clone());
                        Ok(topic)
                    }
                }
            }
        }
    }
}

fn kept<T: Clone>(
    place: &mut Option<T>,
    make: impl FnOnce() -> Result<T, SendError>,
) -> Result<T, SendError> {
    match place {
        Some(topic) => Ok(topic.clone()),
        None => Ok(place.insert(make()?).clone()),
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
            assert_eq!(cache.topic(route, kind, || Ok(number)), Ok(number));
            assert_eq!(cache.topic(route, kind, || unreachable!("made already")), Ok(number));
        }
    }

    #[test]
    fn names_of_foreign_nodes_do_not_fill_the_memory() {
        let mut cache = TopicCache::default();
        for number in 0..3 * MAX {
            let id = NodeId::new(format!("node-{number}")).unwrap();
            cache.topic(&Route::Node { id, addr: None }, PacketKind::Response, || Ok(())).unwrap();
        }
        assert!(cache.nodes.len() <= MAX + 1);
    }
}
