//! Whether the server still answers, and still lets this node hear what it has subscribed to.
//!
//! The client library pings as seldom as the server is told (`keepalive`), with MQTT 5 every 5 s at the
//! most, and notices a silence one ping later: too late for what it still holds. So the server is asked
//! more often, by a question that it has to answer and that changes nothing: to subscribe once more to what
//! is subscribed to already. By its answer it also tells what it would not let this node subscribe to any more;
//! it says so of itself never. Most end the connection when they change their mind, and what some withhold
//! without a word nobody can know.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::waiting::{Subscribed, Waiting};
use super::wire::{Ended, Requester};
use crate::TransportError;
use crate::bus::Port;
use crate::locks::Mutex;

/// Asks, for as long as the session lasts.
pub(super) struct Pulse {
    pub(super) requester: Requester,
    pub(super) qos: u8,
    pub(super) subscribed: Arc<Subscribed>,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    /// Time for which frames may be held.
    pub(super) hold: Duration,
    /// The first subscription that the server has taken away, and why.
    pub(super) taken: watch::Sender<Option<(String, String)>>,
    pub(super) port: Port,
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
        // What was given up meanwhile is nobody's loss.
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
