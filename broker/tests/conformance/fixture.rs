//! How the nodes of one case reach each other.

use ligand::config::SerializerKind;
use ligand::transport::{NodeId, Transporter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

type Make = Box<dyn Fn(usize) -> Arc<dyn Transporter> + Send + Sync>;
type Crash = Box<dyn Fn(&NodeId) + Send + Sync>;

/// A fresh cluster's worth of transporters.
pub(crate) struct Fixture {
    make: Make,
    crash: Option<Crash>,
    restore: Option<Crash>,
    pub(crate) namespace: String,
    /// Whether the bus balances, not the nodes.
    pub(super) balanced: bool,
    pub(crate) serializer: SerializerKind,
}

impl Fixture {
    /// Gives node number `n` its transporter; nodes of one fixture reach each other.
    pub(crate) fn new(make: impl Fn(usize) -> Arc<dyn Transporter> + Send + Sync + 'static) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("nodes-{}-{number}", std::process::id());
        let serializer = SerializerKind::default();
        Self { make: Box::new(make), crash: None, restore: None, namespace, balanced: false, serializer }
    }

    /// Lets the bus balance (`disableBalancer`).
    pub(crate) fn balanced(self) -> Self {
        Self { balanced: true, ..self }
    }

    /// What all nodes speak; JSON otherwise.
    pub(crate) fn speaking(self, serializer: SerializerKind) -> Self {
        Self { serializer, ..self }
    }

    /// How to cut a node off without a word, and to let its successor in. Without this, the runtime of
    /// the node is dropped and its sockets with it.
    pub(crate) fn with_crash(
        mut self,
        crash: impl Fn(&NodeId) + Send + Sync + 'static,
        restore: impl Fn(&NodeId) + Send + Sync + 'static,
    ) -> Self {
        self.crash = Some(Box::new(crash));
        self.restore = Some(Box::new(restore));
        self
    }

    pub(super) fn transporter(&self, node: usize) -> Arc<dyn Transporter> {
        (self.make)(node)
    }

    pub(super) fn crash(&self, node: &NodeId) {
        if let Some(crash) = &self.crash {
            crash(node);
        }
    }

    pub(super) fn restore(&self, node: &NodeId) {
        if let Some(restore) = &self.restore {
            restore(node);
        }
    }
}
