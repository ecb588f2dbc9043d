//! The transporter under test, and what the suite may do with it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{NodeId, Transporter};

type Make = Box<dyn Fn(usize) -> Arc<dyn Transporter> + Send + Sync>;
type Hook = Box<dyn Fn(&NodeId) + Send + Sync>;

/// The transporters of one fresh cluster, and what the suite may do to them.
pub struct Fixture {
    make: Make,
    pub(super) patience: Duration,
    pub(super) accepts: Option<usize>,
    pub(super) hooks: Option<(Hook, Hook)>,
}

impl Fixture {
    /// A fixture that makes the transporter of node number `n`. All nodes of one fixture must reach each
    /// other. Nodes of different fixtures run in different namespaces, so they may share a server.
    #[must_use]
    pub fn new(make: impl Fn(usize) -> Arc<dyn Transporter> + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), patience: Duration::from_secs(10), accepts: None, hooks: None }
    }

    /// Sets how long a condition may take to become true (default: 10 s).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Declares that a node accepts at most this many bytes of payload, in frames of 1 KiB, for a peer that
    /// has stopped reading. This includes the buffers of both nodes and of the operating system. Without it,
    /// the cases about a peer that does not read are skipped.
    #[must_use]
    pub fn accepting_at_most(mut self, bytes: usize) -> Self {
        self.accepts = Some(bytes);
        self
    }

    /// Sets how to break the connection of a node so that it notices, and how to restore it. Without it, the
    /// cases about reconnecting are skipped.
    #[must_use]
    pub fn with_break(
        mut self,
        break_connection: impl Fn(&NodeId) + Send + Sync + 'static,
        restore: impl Fn(&NodeId) + Send + Sync + 'static,
    ) -> Self {
        self.hooks = Some((Box::new(break_connection), Box::new(restore)));
        self
    }

    pub(super) fn transporter(&self, node: usize) -> Arc<dyn Transporter> {
        (self.make)(node)
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture")
            .field("patience", &self.patience)
            .field("accepts", &self.accepts)
            .field("breaks", &self.hooks.is_some())
            .finish_non_exhaustive()
    }
}
