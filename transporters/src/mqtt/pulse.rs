//! Checks whether the server still answers, and whether it still delivers what this node has subscribed to.
//!
//! The client library pings only as often as `keepalive` says, and with MQTT 5 at most every 5 s. It notices
//! a silence one ping later, which is too late for the frames that it still holds. So this node asks more
//! often, with a request that the server must answer and that changes nothing: it subscribes again to the
//! topics to which it is already subscribed. The answer also shows which of these the server would no longer
//! allow, which it never says by itself. Most servers close the connection when they revoke a permission. If
//! a server withholds messages without a word, nobody can notice.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::waiting::{Subscribed, Waiting};
use super::wire::{Ended, Requester};
use crate::TransportError;
use crate::bus::Port;
use crate::locks::Mutex;

/// Asks the server for as long as the session lasts.
pub(super) struct Pulse {
    pub(super) requester: Requester,
    pub(super) qos: u8,
    pub(super) subscribed: Arc<Subscribed>,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    /// The time for which frames may be held.
    pub(super) hold: Duration,
    /// The first subscription that the server has taken away, and why.
    pub(super) taken: watch::Sender<Option<(String, String)>>,
    pub(super) port: Port,
}

impl Pulse {
    /// Resolves with the reason if the server has not answered in time. That is before frames have been held
    /// for longer than they may.
    pub(super) async fn stopped(&self) -> String {
        let pause = (self.hold / 5).max(Duration::from_millis(10));
        let patience = (self.hold * 3 / 4).max(Duration::from_millis(100));
        loop {
            sleep(pause).await;
            // The event loop reports its own end.
            if timeout(patience, self.ask()).await.is_err() {
                return format!("the server has not answered for {patience:?}");
            }
        }
    }

    async fn ask(&self) -> Result<(), Ended> {
        let (told, answer) = oneshot::channel();
        let topics = {
            let subscribed = self.subscribed.lock().await;
            if subscribed.is_empty() {
                return Ok(());
            }
            self.waiting.lock().subscribes.push_back(told);
            self.requester.subscribe(&subscribed, self.qos).await?;
            subscribed.clone()
        };
        let codes = answer.await.map_err(|_| Ended)?;
        let refused = topics.into_iter().zip(codes).find_map(|(topic, why)| Some(topic).zip(why));
        // Ignore a topic from which the node has unsubscribed in the meantime.
        if let Some((topic, why)) = refused
            && self.taken.borrow().is_none()
            && self.subscribed.lock().await.contains(&topic)
        {
            self.port.refused(&TransportError::refused(&*topic, &*why));
            self.taken.send_replace(Some((topic, why)));
        }
        Ok(())
    }
}
