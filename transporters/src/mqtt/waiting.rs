//! Who waits for answers of a server, and what it was asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Topics that are subscribed to. Held while something about subscriptions is asked for, so that answers
/// come in the order of those who wait for them.
pub(super) type Subscribed = tokio::sync::Mutex<Vec<String>>;

/// Who waits for an answer of the server; it answers in the order in which it was asked.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) subscribes: VecDeque<oneshot::Sender<Vec<Option<String>>>>,
    pub(super) unsubscribes: VecDeque<oneshot::Sender<()>>,
    /// Topics of publishes of quality 1 and 2 that have no id yet, in the order in which they were handed
    /// over.
    pub(super) published: VecDeque<Arc<str>>,
}
