//! The services of a node, in the form that the registry keeps.

use bytes::Bytes;
use ligand_transporters::Name;
use std::sync::{Arc, LazyLock};

use super::actions::Action;
use super::endpoints::fingerprint;
use super::events::EventSub;
use crate::protocol::{Raw, ServiceInfo, ServiceVersion};

/// The services of one node, or of several nodes whose INFOs contain exactly the same services.
#[derive(Debug, Default)]
pub(crate) struct NodeServices {
    raw: Bytes,
    list: Box<[Arc<Service>]>,
}

/// A service, without actions that no caller can reach.
#[derive(Debug)]
pub(crate) struct Service {
    /// Without version.
    pub(crate) name: Name,
    /// Its version, if any.
    pub(crate) version: Option<ServiceVersion>,
    /// With version.
    pub(crate) full_name: Name,
    /// An object.
    pub(crate) settings: Raw,
    /// An object.
    pub(crate) metadata: Raw,
    /// Its actions. Of a remote service, only those that may be called from this node.
    pub(crate) actions: Box<[Arc<Action>]>,
    /// Its event subscriptions.
    pub(crate) events: Box<[Arc<EventSub>]>,
}

impl NodeServices {
    pub(super) fn new(raw: Bytes, list: Vec<Arc<Service>>) -> Self {
        Self { raw, list: list.into() }
    }

    /// No services. All offline nodes share this one value.
    pub(super) fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<NodeServices>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// The array `services` as it was received. Empty for the local node.
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Its entries, in the order of the INFO.
    pub(crate) fn list(&self) -> &[Arc<Service>] {
        &self.list
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.list.iter().flat_map(|service| &service.actions)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<EventSub>> {
        self.list.iter().flat_map(|service| &service.events)
    }
}

impl Service {
    pub(super) fn new(info: ServiceInfo, actions: Vec<Arc<Action>>, events: Vec<Arc<EventSub>>) -> Self {
        // Texts that are already known are shared.
        let full_name = actions.first().map_or(info.full_name, |action| action.service.clone());
        let name = if info.name == full_name { full_name.clone() } else { info.name };
        Self {
            name,
            version: info.version,
            full_name,
            settings: info.settings,
            metadata: info.metadata,
            actions: actions.into(),
            events: events.into(),
        }
    }

    /// Equal for equal services, and usually different for different ones.
    pub(super) fn fingerprint(&self) -> u64 {
        let actions: Vec<_> = self.actions.iter().map(Arc::as_ptr).collect();
        let events: Vec<_> = self.events.iter().map(Arc::as_ptr).collect();
        fingerprint((&self.full_name, self.settings.bytes(), self.metadata.bytes(), actions, events))
    }

    /// Whether it is the same service with exactly the same definitions.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.version == other.version
            && self.full_name == other.full_name
            && self.settings == other.settings
            && self.metadata == other.metadata
            && self.actions.len() == other.actions.len()
            && self.events.len() == other.events.len()
            && self.actions.iter().zip(&other.actions).all(|(one, other)| Arc::ptr_eq(one, other))
            && self.events.iter().zip(&other.events).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// The same service in memory of its own.
    pub(super) fn detached(mut self) -> Self {
        self.settings = self.settings.detached();
        self.metadata = self.metadata.detached();
        self
    }
}
