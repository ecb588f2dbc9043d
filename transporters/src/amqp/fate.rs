//! How a session ended.

use tokio::sync::watch;

/// Whether a session is of no more use, and why.
#[derive(Debug)]
pub(super) struct Fate(pub(super) watch::Sender<Option<String>>);

impl Fate {
    /// The session is of no more use; the first reason is the one that counts.
    pub(super) fn seal(&self, why: &str) {
        self.0.send_if_modified(|fate| {
            let first = fate.is_none();
            fate.get_or_insert_with(|| why.to_owned());
            first
        });
    }
}
