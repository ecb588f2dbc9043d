//! Typed options of actions, subscriptions and services, for layers.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// At most one value of each type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Options {
    pub(crate) fn put<T: Send + Sync + 'static>(&mut self, option: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(option));
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
