//! What the control loop and the task with the store tell each other.

use bytes::Bytes;
use ligand_transporters::{NodeId, TransportError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::discovery::record_names::Beat;
use crate::serializer::Serializer;

/// Commands that wait for the store. It works them off in milliseconds; while it is out of reach they are
/// dropped, and the next beat or the reconnect says everything again. What this node is, is given again where
/// there was no room for it.
const WAITING: usize = 1024;

/// What is to be done with the records.
pub(crate) enum Command {
    /// Writes this node's INFO.
    Info { value: Bytes, done: Option<oneshot::Sender<()>> },
    /// Writes this node's beat, then scans the beats.
    Beat { seq: u64, value: Bytes, values: bool },
    /// Scans the beats.
    Scan,
    /// Reads the INFOs of these nodes.
    Fetch(Vec<NodeId>),
    /// Removes all of this node's records.
    Leave(oneshot::Sender<()>),
}

/// What became of it.
pub(crate) enum StoreEvent {
    /// The store can be reached again.
    Reached,
    /// It cannot.
    Lost(TransportError),
    /// The beats that there are, with their values if those were asked for.
    Beats(Vec<(Beat, Option<Bytes>)>),
    /// The INFO of a node; `None` if there is none.
    Info { node: NodeId, value: Option<Bytes> },
    /// This node's INFO is not there any more, so others may be missing too.
    Forgotten,
}

/// The store, as the control loop knows it.
pub(crate) struct Store {
    /// The way to the task with the store.
    pub(crate) commands: Commands,
    /// Every so many scans values are read and not only names; 0 for never.
    pub(crate) full_check: u32,
    /// How records are written, whatever the cluster speaks.
    pub(crate) serializer: Arc<dyn Serializer>,
}

/// The way to the task.
#[derive(Debug, Clone)]
pub(crate) struct Commands(mpsc::Sender<Command>);

impl Commands {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Passes an order on; never waits.
    pub(super) fn give(&self, order: Command) {
        self.offer(order);
    }

    /// The same. `false` when there was no room for it.
    pub(super) fn offer(&self, order: Command) -> bool {
        let taken = self.0.try_send(order).is_ok();
        if !taken {
            tracing::debug!("the store of the discoverer does not keep up");
        }
        taken
    }
}
