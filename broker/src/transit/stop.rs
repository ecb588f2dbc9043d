//! Leaving: announces it, waits for requests to stop arriving, says farewell, closes.

use ligand_transporters::TransportError;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Transit;
use crate::membership::Message;

/// How often it checks whether requests arrived.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The control loop is never busy for nearly this long, and it must not delay a stop. This is not an option,
/// because the loop runs no code of the user's.
pub(super) const CONTROL_WAIT: Duration = Duration::from_secs(1);

impl Transit {
    /// Tells the others that this node no longer offers anything.
    pub(crate) async fn announce_leaving(&self) {
        self.stop_balancing();
        self.tell_and_wait(Message::Leaving).await;
        if timeout(self.config.transit.close_timeout, self.end_balanced()).await.is_err() {
            tracing::warn!("the message server does not end the balanced subscriptions");
        }
    }

    /// Waits until no request has arrived for two `stop_delay`s, for at most `registry.stopDelayLimit`.
    pub(crate) async fn quiet(&self, stop_delay: Duration) {
        let (from, limit) = (Instant::now(), self.config.registry.stop_delay_limit);
        let mut arrived = self.load.arrived();
        let mut since = from;
        while since.elapsed() < 2 * stop_delay && from.elapsed() < limit {
            tokio::time::sleep(LOOK_EVERY.min(stop_delay)).await;
            let now = self.load.arrived();
            if now != arrived {
                (arrived, since) = (now, Instant::now());
            }
        }
    }

    /// Says farewell, if this transporter has one.
    pub(crate) async fn farewell(&self) {
        self.tell_and_wait(Message::Farewell).await;
    }

    /// Says farewell, closes the connection, and ends every task.
    pub(crate) async fn stop(&self) -> Result<(), TransportError> {
        let connected = self.is_connected();
        // A discoverer's records are removed in any case.
        if connected || self.has_discoverer() || self.uplink.any_connection().is_some() {
            self.farewell().await;
        }
        let connection = self.uplink.take();
        let closed = match &connection {
            Some(connection) => connection.close().await,
            None => Ok(()),
        };
        if self.uplink.mark_disconnected()
            && let Some(broker) = self.broker()
        {
            broker.publish_local("$transporter.disconnected", serde_json::json!({ "graceFul": true }));
        }
        self.pending.fail_all();
        // A reader may be in a handler that blocks its thread. It ends when the handler returns.
        if timeout(self.config.transit.close_timeout, self.uplink.link.shut()).await.is_err() {
            self.uplink.link.abandon();
            tracing::warn!("a handler blocks the task that reads from the transporter");
        }
        // The control loop ends by itself once the link is closed.
        let _ = timeout(CONTROL_WAIT, self.control.ended()).await;
        closed
    }

    async fn tell_and_wait(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        if !self.control.has_started() {
            // The start could not connect, so there is nobody to tell.
            return;
        }
        let (done, told) = oneshot::channel();
        self.control.tell(message(done));
        let _ = timeout(CONTROL_WAIT, told).await;
    }
}
