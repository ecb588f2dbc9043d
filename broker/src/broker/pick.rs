//! Looks a name up, and picks an endpoint among those that offer the action.

use ligand_transporters::NodeId;

use super::ServiceBroker;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::registry::{ActionEntry, NodeIx, Picked, Snapshot};

/// An action name, looked up.
pub(crate) struct Found<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// `None` if nobody has ever offered it.
    pub(crate) entry: Option<&'a ActionEntry>,
}

impl<'a> Found<'a> {
    #[inline]
    pub(super) fn of(snapshot: &'a Snapshot, action: &str) -> Self {
        Self { snapshot, entry: snapshot.action(action).map(|entry| &**entry) }
    }
}

/// Finds the endpoint, or says why there is none. If the bus balances, it chooses, unless the caller has
/// named a node.
pub(super) fn pick(
    broker: &ServiceBroker,
    found: &Found<'_>,
    action: &str,
    node: Option<&NodeId>,
) -> Result<Picked> {
    if let (Some(entry), None) = (found.entry, node)
        && let Some(transit) = broker.shared().transit()
        && transit.is_balancing()
        && (entry.local().is_none() || transit.offers_to_others(action))
        && let Some(picked) = entry.by_bus()
    {
        return Ok(picked);
    }
    pick_endpoint(broker, found, action, node, &[])
}

/// Like [`pick`], among the known nodes.
pub(super) fn pick_endpoint(
    broker: &ServiceBroker,
    found: &Found<'_>,
    action: &str,
    node: Option<&NodeId>,
    tried: &[NodeIx],
) -> Result<Picked> {
    let Some(entry) = found.entry else {
        let error = Error::of_action(ErrorKind::ServiceNotFound, action, node);
        let near = found.snapshot.nearest_actions(action);
        let near: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
        return Err(not_run(match near.as_slice() {
            [] => error,
            near => error.with_hint(format!("did you mean {}?", near.join(" or "))),
        }));
    };
    if let Some(node) = node {
        return entry
            .pick_node(found.snapshot, node.as_str())
            .ok_or_else(|| not_run(Error::of_action(ErrorKind::ServiceNotFound, action, Some(node))));
    }
    entry
        .pick(found.snapshot, broker.shared().call_defaults.prefer_local, None, tried)
        .ok_or_else(|| not_run(Error::of_action(ErrorKind::ServiceNotAvailable, action, None)))
}

/// The error of a call that was not started.
pub(super) fn not_run(error: Error) -> Error {
    error.with_outcome(Outcome::NotRun)
}
