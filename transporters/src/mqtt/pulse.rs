//! Whether the server still answers.
//!
//! The client library pings as seldom as the server is told (`keepalive`), with MQTT 5 every 5 s at the
//! most, and notices a silence one ping later: too late for what it still holds. So the server is asked
//! more often, by a question that it has to answer and that changes nothing: to subscribe once more to what
//! is subscribed to already.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::session::{Waiting, lock};
use super::wire::{Asker, Ended};

/// Topics that are subscribed to. Held while something about subscriptions is asked for, so that answers
/// come in the order of those who wait for them.
pub(super) type Subscribed = tokio::sync::Mutex<Vec<String>>;

/// Asks, for as long as the session lasts.
pub(super) struct Pulse {
    pub(super) asker: Asker,
    pub(super) qos: u8,
    pub(super) subscribed: Arc<Subscribed>,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    /// Time for which frames may be held.
    pub(super) hold: Duration,
}

impl Pulse {
    /// Resolves with the reason when the server has not answered in time, which is before frames have been
    /// held for longer than they may.
    pub(super) async fn stopped(&self) -> String {
        let pause = (self.hold / 5).max(Duration::from_millis(10));
        let patience = (self.hold * 3 / 4).max(Duration::from_millis(100));
        loop {
            sleep(pause).await;
            // That the event loop has ended it says itself.
            if timeout(patience, self.ask()).await.is_err() {
                return format!("the server has not answered for {patience:?}");
            }
        }
    }

    async fn ask(&self) -> Result<(), Ended> {
        let (told, answer) = oneshot::channel();
        {
            let subscribed = self.subscribed.lock().await;
            let Some(topic) = subscribed.first() else { return Ok(()) };
            lock(&self.waiting).subscribes.push_back(told);
            self.asker.subscribe(std::slice::from_ref(topic), self.qos).await?;
        }
        answer.await.map(drop).map_err(|_| Ended)
    }
}
