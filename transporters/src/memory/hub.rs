//! The centre of a network: its nodes, their subscriptions, and the faults on the way.

use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Options;
use super::faults::{Fate, Weather};
use super::port::{Port, Refused};
use super::queue::When;
use super::routes::{Member, Routes};
use crate::locks::{Mutex, MutexGuard};
use crate::{Frame, Name, NodeId, Subscription, TransportError};

/// See the module.
pub(crate) struct Hub {
    pub(crate) name: Option<Name>,
    pub(crate) options: Arc<Options>,
    pub(crate) tally: Tally,
    pub(crate) room: Arc<Notify>,
    registry: Mutex<Registry>,
    weather: Mutex<Weather>,
    /// Whether there are faults. This saves their lock while none is set.
    stormy: AtomicBool,
}

/// Counts frames that did not arrive normally.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) unrouted: AtomicU64,
    pub(crate) overflowed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) duplicated: AtomicU64,
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The snapshot in which the senders of one namespace look up receivers.
pub(crate) type Space = Arc<ArcSwap<Routes>>;

#[derive(Default)]
struct Registry {
    spaces: BTreeMap<String, Members>,
    /// Ids that are cut off, whether they have connected before or not.
    crashed: BTreeSet<Name>,
    /// The subscriptions that nodes may not have.
    denied: BTreeMap<Name, HashSet<Subscription>>,
}

#[derive(Default)]
struct Members {
    routes: Space,
    members: Vec<Member>,
}

impl Members {
    fn publish(&self) {
        self.routes.store(Arc::new(Routes::new(&self.members)));
    }
}

impl Hub {
    pub(crate) fn new(name: Option<Name>, mut options: Options) -> Self {
        options.queue_bytes = options.queue_bytes.max(options.max_frame);
        options.control_bytes = options.control_bytes.max(options.max_frame);
        Self {
            name,
            tally: Tally::default(),
            room: Arc::default(),
            registry: Mutex::default(),
            weather: Mutex::new(Weather::new(options.seed)),
            stormy: AtomicBool::new(false),
            options: Arc::new(options),
        }
    }

    /// Adds a node without subscriptions.
    pub(crate) fn join(&self, id: &NodeId, namespace: &str) -> Result<(Arc<Port>, Space), TransportError> {
        let mut registry = self.registry();
        if registry.crashed.contains(id.as_name()) {
            let why = "the node is cut off from the in-memory network: restore it first";
            return Err(TransportError::connect(self.url(), why));
        }
        let space = registry.spaces.entry(namespace.to_owned()).or_default();
        let port = Arc::new(Port::new(id.clone(), Arc::clone(&self.options), Arc::clone(&self.room)));
        space.members.push(Member { port: Arc::clone(&port), subscriptions: HashSet::new() });
        Ok((port, Arc::clone(&space.routes)))
    }

    /// Removes a node. Frames that it has sent stay in their queues.
    pub(crate) fn leave(&self, port: &Arc<Port>, namespace: &str) {
        port.leave();
        let mut registry = self.registry();
        let Some(space) = registry.spaces.get_mut(namespace) else { return };
        space.members.retain(|member| !Arc::ptr_eq(&member.port, port));
        space.publish();
        if space.members.is_empty() {
            registry.spaces.remove(namespace);
        }
    }

    /// Changes the subscriptions of a node. `change` gets them, and those that the node may not have.
    pub(crate) fn resubscribe(
        &self,
        port: &Arc<Port>,
        namespace: &str,
        change: impl FnOnce(&mut HashSet<Subscription>, &HashSet<Subscription>) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        let registry = &mut *self.registry();
        if port.is_gone() {
            return Err(TransportError::Closed);
        }
        if !port.is_connected() {
            return Err(TransportError::Lost("the node is cut off from the in-memory network".into()));
        }
        let Some(space) = registry.spaces.get_mut(namespace) else { return Err(TransportError::Closed) };
        if let Some(member) = space.members.iter_mut().find(|member| Arc::ptr_eq(&member.port, port)) {
            let none = HashSet::new();
            change(&mut member.subscriptions, registry.denied.get(port.id().as_name()).unwrap_or(&none))?;
            space.publish();
        }
        Ok(())
    }

    /// Takes a subscription away from every node of this id.
    pub(crate) fn deny(&self, id: &Name, subscription: Subscription) {
        let mut registry = self.registry();
        for (namespace, space) in &mut registry.spaces {
            let mut found = false;
            for member in space.members.iter_mut().filter(|member| member.port.id().as_name() == id) {
                if member.subscriptions.remove(&subscription) {
                    member.port.deafen(member.port.topic(namespace, &subscription));
                    found = true;
                }
            }
            if found {
                space.publish();
            }
        }
        registry.denied.entry(id.clone()).or_default().insert(subscription);
    }

    pub(crate) fn allow(&self, id: &Name) {
        self.registry().denied.remove(id);
    }

    /// Sends a frame from one node to another.
    pub(crate) fn carry(&self, from: &NodeId, to: &Port, frame: Frame) -> Result<(), Refused> {
        if self.stormy.load(Ordering::Acquire) {
            return self.carry_through(from, to, frame);
        }
        match to.push(frame) {
            Err(Refused::UnderWay(frame)) => self.carry_through(from, to, frame),
            other => other,
        }
    }

    /// Decides what happens to a frame. The lock of the faults is held until the frame is in the queue: two
    /// frames of one pair must not change places, and none may be held after the release.
    fn carry_through(&self, from: &NodeId, to: &Port, frame: Frame) -> Result<(), Refused> {
        let now = Instant::now();
        let mut weather = self.weather();
        match weather.decide(from.as_name(), to.id().as_name(), now) {
            Fate::Lost => {
                Tally::add(&self.tally.lost);
                Ok(())
            }
            Fate::Held => to.push_later(frame, When::Released(from.as_name().clone()), now),
            Fate::Arrives { at, again: None } => to.push_later(frame, When::At(at), now),
            Fate::Arrives { at, again: Some(again) } => {
                let copy = Frame::new(frame.kind, frame.payload.clone());
                to.push_later(frame, When::At(at), now)?;
                if to.push_later(copy, When::At(again), now).is_ok() {
                    Tally::add(&self.tally.duplicated);
                }
                Ok(())
            }
        }
    }

    /// Changes the faults.
    pub(crate) fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        let mut weather = self.weather();
        change(&mut weather);
        self.stormy.store(!weather.is_fair(), Ordering::Release);
    }

    /// Releases the frames that wait on the way from one node to another.
    pub(crate) fn release(&self, pairs: impl FnOnce(&Weather) -> Vec<(Name, Name)>) {
        let mut weather = self.weather();
        let now = Instant::now();
        for (from, to) in pairs(&weather) {
            let due = weather.release(&from, &to);
            for port in self.ports(&to) {
                port.release(&from, due, now);
            }
        }
        self.stormy.store(!weather.is_fair(), Ordering::Release);
    }

    /// Breaks the connection of all nodes with this id. Their subscriptions end.
    pub(crate) fn crash(&self, id: &Name) {
        let mut registry = self.registry();
        registry.crashed.insert(id.clone());
        for space in registry.spaces.values_mut() {
            let mut found = false;
            for member in space.members.iter_mut().filter(|member| member.port.id().as_name() == id) {
                member.subscriptions.clear();
                member.port.crash();
                found = true;
            }
            if found {
                space.publish();
            }
        }
    }

    /// Lets nodes with this id connect again.
    pub(crate) fn restore(&self, id: &Name) {
        self.registry().crashed.remove(id);
        for port in self.ports(id) {
            port.restore();
        }
    }

    /// The ids of all nodes, by namespace and in the order in which they joined.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let registry = self.registry();
        let members = registry.spaces.values().flat_map(|space| &space.members);
        members.map(|member| member.port.id().clone()).collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("memory://{}", self.name.as_deref().unwrap_or_default())
    }

    fn ports(&self, id: &Name) -> Vec<Arc<Port>> {
        let registry = self.registry();
        let members = registry.spaces.values().flat_map(|space| &space.members);
        let named = members.filter(|member| member.port.id().as_name() == id);
        named.map(|member| Arc::clone(&member.port)).collect()
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
