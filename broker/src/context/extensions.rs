//! Typed values that accompany a context within one process.

use ligand_transporters::locks::Mutex;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

type Map = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// Typed values, at most one for each type. They are never sent to another node.
#[derive(Default)]
pub struct Extensions(OnceLock<Box<Mutex<Map>>>);

impl Extensions {
    /// The value of type `T`, if there is one.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let map = self.0.get()?.lock();
        map.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }

    /// Inserts a value. It replaces a value of the same type.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        let map = self.0.get_or_init(Box::default);
        map.lock().insert(TypeId::of::<T>(), Arc::new(value));
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").finish_non_exhaustive()
    }
}
