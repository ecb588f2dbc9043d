//! What the control loop and the task with the store tell each other.

use bytes::Bytes;
use ligand_transporters::{NodeId, TransportError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::discovery::names::Beat;
use crate::serializer::Serializer;

/// Orders that wait for the store. It works them off in milliseconds; while it is out of reach they are
/// dropped, and the next beat or the reconnect says everything again. What this node is, is given again where
/// there was no room for it.
const WAITING: usize = 1024;

/// What is to be done with the records.
pub(crate) enum Order {
    /// Writes this node's INFO.
    Info { value: Bytes, done: Option<oneshot::Sender<()>> },
    /// Writes this node's beat, then calls the roll.
    Beat { seq: u64, value: Bytes, values: bool },
    /// Calls the roll.
    Roll,
    /// Reads the INFOs of these nodes.
    Fetch(Vec<NodeId>),
    /// Removes all of this node's records.
    Leave(oneshot::Sender<()>),
}

/// What became of it.
pub(crate) enum Found {
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
    pub(crate) orders: Orders,
    /// Every so many rolls values are read and not only names; 0 for never.
    pub(crate) full_check: u32,
    /// How records are written, whatever the cluster speaks.
    pub(crate) serializer: Arc<dyn Serializer>,
}

/// The way to the task.
#[derive(Debug, Clone)]
pub(crate) struct Orders(mpsc::Sender<Order>);

impl Orders {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Passes an order on; never waits.
    pub(super) fn give(&self, order: Order) {
        self.offer(order);
    }

    /// The same. `false` when there was no room for it.
    pub(super) fn offer(&self, order: Order) -> bool {
        let taken = self.0.try_send(order).is_ok();
        if !taken {
            tracing::debug!("the store of the discoverer does not keep up");
        }
        taken
    }
}
