//! The messages between the control loop and the task that keeps the store.

use bytes::Bytes;
use ligand_transporters::{NodeId, TransportError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::discovery::record_names::Beat;
use crate::serializer::Serializer;

/// How many commands may wait for the store, which handles each in milliseconds. While the store is out of
/// reach, commands are dropped: the next beat or the reconnect repeats everything. If there is no room for
/// this node's INFO, it is sent again.
const WAITING: usize = 1024;

/// A command to the task.
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

/// An event from the task.
pub(crate) enum StoreEvent {
    /// The store can be reached again.
    Reached,
    /// The store cannot be reached any more.
    Lost(TransportError),
    /// The beats that were found, with their values if those were requested.
    Beats(Vec<(Beat, Option<Bytes>)>),
    /// The INFO of a node, or `None` if there is none.
    Info { node: NodeId, value: Option<Bytes> },
    /// This node's INFO is gone from the store, so those of others may be missing too.
    Forgotten,
}

/// The store, as the control loop knows it.
pub(crate) struct Store {
    /// Sends commands to the task.
    pub(crate) commands: Commands,
    /// After how many scans the values are read, not only the names. 0 means never.
    pub(crate) full_check: u32,
    /// How records are encoded, whichever serializer the cluster uses.
    pub(crate) serializer: Arc<dyn Serializer>,
}

/// Sends commands to the task.
#[derive(Debug, Clone)]
pub(crate) struct Commands(mpsc::Sender<Command>);

impl Commands {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Sends a command. It never waits.
    pub(super) fn give(&self, order: Command) {
        self.offer(order);
    }

    /// Sends a command. Returns `false` if there was no room for it.
    pub(super) fn offer(&self, order: Command) -> bool {
        let taken = self.0.try_send(order).is_ok();
        if !taken {
            tracing::debug!("the store of the discoverer does not keep up");
        }
        taken
    }
}
