//! The networks of this process that have a name, for URLs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use super::Options;
use super::hub::Hub;
use crate::locks::Mutex;
use crate::{Name, TransportError};

/// Held weakly: a network ends with its last user.
static NETWORKS: LazyLock<Mutex<HashMap<Name, Weak<Hub>>>> = LazyLock::new(Mutex::default);

/// The network with this name. A new one if nobody uses it.
pub(crate) fn hub(name: &str) -> Arc<Hub> {
    let mut networks = NETWORKS.lock();
    if let Some(hub) = networks.get(name).and_then(Weak::upgrade) {
        return hub;
    }
    networks.retain(|_, hub| hub.strong_count() > 0);
    let name = Name::from(name);
    let hub = Arc::new(Hub::new(Some(name.clone()), Options::default()));
    networks.insert(name, Arc::downgrade(&hub));
    hub
}

/// The name in `memory://name`, `memory://` or `memory`.
pub(crate) fn of_url(url: &str) -> Result<&str, TransportError> {
    let name = url.split_once("://").map_or("", |(_, name)| name);
    let name = name.strip_suffix('/').unwrap_or(name);
    match name.chars().find(|c| !c.is_alphanumeric() && !"-_.".contains(*c)) {
        Some(c) => Err(TransportError::Config(format!(
            "`{url}` holds {c:?}: the name of an in-memory network has letters, digits and - _ . only"
        ))),
        None if name.is_empty() => Ok("default"),
        None => Ok(name),
    }
}
