//! The state that a connection and its supervisor share.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use super::{BusLimits, Client};
use crate::locks::Mutex;
use crate::{Link, Subscription};

/// See the module.
pub(super) struct ConnectionState<C: Client> {
    pub(super) client: C,
    pub(super) link: Link,
    pub(super) limits: BusLimits,
    pub(super) outbox: Outbox<C::Topic>,
    /// The current session, if there is one.
    pub(super) session: Mutex<Option<Arc<C::Session>>>,
    /// The subscriptions of this node. The lock is held while subscriptions are made, undone or restored.
    pub(super) wanted: tokio::sync::Mutex<Vec<Subscription>>,
    pub(super) closing: CancellationToken,
}

impl<C: Client> ConnectionState<C> {
    pub(super) fn session(&self) -> Option<Arc<C::Session>> {
        self.session.lock().clone()
    }

    pub(super) fn set_session(&self, session: Option<Arc<C::Session>>) {
        *self.session.lock() = session;
    }
}
