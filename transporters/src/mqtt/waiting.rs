//! The callers that wait for answers of a server, and what they asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The topics that are subscribed to. The lock is held while a request about subscriptions is sent, so that
/// answers arrive in the order of those who wait for them.
pub(super) type Subscribed = tokio::sync::Mutex<Vec<String>>;

/// The callers that wait for an answer of the server. It answers in the order in which it was asked.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) subscribes: VecDeque<oneshot::Sender<Vec<Option<String>>>>,
    pub(super) unsubscribes: VecDeque<oneshot::Sender<()>>,
    /// The topics of publishes of quality 1 and 2 that have no id yet, in the order in which they were handed
    /// over.
    pub(super) published: VecDeque<Arc<str>>,
}
