//! How a session ends.

use tokio::sync::watch;

use crate::TransportError;

/// The first reason counts.
#[derive(Clone)]
pub(super) struct End(watch::Sender<Option<String>>);

impl End {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(super) fn with(&self, why: TransportError) {
        let why = match why {
            TransportError::Lost(why) => why,
            other => other.to_string(),
        };
        self.0.send_if_modified(|ended| ended.is_none() && ended.replace(why).is_none());
    }

    pub(super) async fn reason(&self) -> TransportError {
        let mut ended = self.0.subscribe();
        let reason = ended.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        TransportError::Lost(reason.unwrap_or_else(|| "the session is closed".to_owned()))
    }
}
