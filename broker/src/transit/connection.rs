//! The connection to the message server: opens it, loses it, and restores what it needs when it is back.
//!
//! The transporter reconnects by itself. This module then restores the subscriptions, so that only one party
//! makes each of them.

use ligand_transporters::backoff::Backoff;
use ligand_transporters::{Connection, Subscription, TransportError, Transporter, Up};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::stop::CONTROL_WAIT;
use super::{Lost, Transit};
use crate::broker::{ServiceBroker, StartError};
use crate::config::{Timeout, TransporterConfig, redact};
use crate::membership::Message;
use crate::registry::LocalInfo;

/// A node that hears a farewell gives up the answers that the leaving node still owes it. So a farewell waits
/// this long for running handlers.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How often it checks whether handlers are still running.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Transit {
    /// Opens the connection. Tries again and again until `transit.connectTimeout` has passed.
    pub(super) async fn open_connection(
        &self,
        transporter: &Arc<dyn Transporter>,
    ) -> Result<Arc<dyn Connection>, StartError> {
        let (from, until) = (Instant::now(), self.connect_until());
        let mut backoff = Backoff::default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let attempt = transporter.connect(self.uplink.link.clone());
            let connected = match until {
                None => attempt.await,
                Some(until) => match timeout_at(until, attempt).await {
                    Ok(connected) => connected,
                    Err(_) => {
                        let url = self.written_url();
                        let source = TransportError::connect(url, "no answer within transit.connectTimeout");
                        return Err(StartError::Transporter { attempts, source });
                    }
                },
            };
            let source = match connected {
                Ok(connection) => {
                    self.uplink.log_connected(attempts, from.elapsed());
                    return Ok(connection);
                }
                Err(source) => without_secrets(source),
            };
            let wait = backoff.next_wait();
            if !source.is_retryable() || self.config.transit.disable_reconnect || is_over(until, wait) {
                return Err(StartError::Transporter { attempts, source });
            }
            self.uplink.log_not_connected(&source, attempts, wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Subscribes for the first time, and returns the generation of the connection on which that happened. A
    /// connection that is lost meanwhile comes back by itself, and this waits for it.
    pub(super) async fn subscribe_first(
        &self,
        topics: &[Subscription],
        until: Option<Instant>,
    ) -> Result<u64, StartError> {
        let mut backoff = Backoff::default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let generation = self.uplink.generation();
            let wait = match self.uplink.subscribe(topics).await {
                Ok(()) if self.uplink.mark_connected(generation) => return Ok(generation),
                Ok(()) => Duration::ZERO,
                Err(source) => {
                    let wait = backoff.next_wait();
                    if !source.is_retryable() || is_over(until, wait) {
                        return Err(StartError::Transporter { attempts, source });
                    }
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The transporter is connected, for the first time or again.
    pub(crate) fn came_up(self: &Arc<Self>, broker: &ServiceBroker, how: Up) {
        let again = self.uplink.was_ever_connected() || how == Up::Again;
        if !again {
            broker.publish_local("$transporter.connected", serde_json::json!({ "wasReconnect": false }));
            return;
        }
        let generation = self.uplink.next_generation();
        let (transit, broker) = (Arc::clone(self), broker.clone());
        self.uplink.link.spawn(async move { transit.restore(&broker, generation).await });
    }

    /// Makes the subscriptions again, then lets this node take part again. It ends when the connection is
    /// lost once more or was restored once more, because then another generation takes over.
    async fn restore(self: &Arc<Self>, broker: &ServiceBroker, generation: u64) {
        let mut backoff = Backoff::default();
        let mut leaving = false;
        let info = loop {
            let error = match self.hear_again(broker).await {
                Ok(info) => break info,
                Err(error) => error,
            };
            if self.uplink.generation() != generation {
                return;
            }
            // A node that does not hear everything must not pretend to be there. What the server refuses now,
            // it may allow later.
            if error.is_retryable() {
                tracing::debug!(error = %error, "subscriptions not restored yet");
            } else {
                self.refused(&error);
                self.pause_balanced(generation).await;
                if !std::mem::replace(&mut leaving, true) {
                    self.leave_for_now(generation);
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
            if self.uplink.generation() != generation {
                return;
            }
        };
        if !self.uplink.mark_connected(generation) {
            return;
        }
        self.uplink.log_back(generation);
        self.discover_all();
        self.control.tell(Message::Back(info));
        broker.publish_local("$transporter.connected", serde_json::json!({ "wasReconnect": true }));
    }

    /// Subscribes to what every node listens to, and to what the server balances for this node. Returns what
    /// may be announced then.
    async fn hear_again(&self, broker: &ServiceBroker) -> Result<Arc<LocalInfo>, TransportError> {
        self.subscribe_again().await?;
        self.rebalance_joined(broker).await
    }

    /// The server has taken subscriptions away, so calls to this node would get lost. The node takes back
    /// what it offers, and does not take part until it hears everything again. Its own calls fail at once, as
    /// without a connection.
    pub(super) fn went_deaf(self: &Arc<Self>, why: &TransportError) {
        let generation = self.uplink.next_generation();
        self.uplink.log_lost(why, Lost::Deaf);
        if self.uplink.mark_disconnected()
            && let Some(broker) = self.broker()
        {
            broker.publish_local("$transporter.disconnected", serde_json::json!({ "graceFul": false }));
        }
        self.leave_for_now(generation);
    }

    /// Takes back what this node offers, waits a moment for running handlers, and says farewell.
    fn leave_for_now(self: &Arc<Self>, generation: u64) {
        let transit = Arc::clone(self);
        // This message is sent before any message that the node is back.
        let (done, taken_back) = oneshot::channel();
        self.control.tell(Message::TakeBack(done));
        self.uplink.link.spawn(async move {
            let _ = timeout(CONTROL_WAIT, taken_back).await;
            transit.pause_balanced(generation).await;
            let until = Instant::now() + LAST_ANSWERS;
            while transit.load.requests() > 0 && Instant::now() < until {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            transit.control.tell(Message::Away);
        });
    }

    /// The connection is gone for now. From here on, calls to other nodes fail at once. Calls under way
    /// settle at their deadlines, because their answers may still arrive.
    pub(super) fn went_down(&self, why: &TransportError) {
        self.uplink.next_generation();
        self.uplink.log_lost(why, Lost::Gone);
        if self.uplink.mark_disconnected()
            && let Some(broker) = self.broker()
        {
            broker.publish_local("$transporter.disconnected", serde_json::json!({ "graceFul": false }));
        }
    }

    pub(crate) fn connect_until(&self) -> Option<Instant> {
        match self.config.transit.connect_timeout {
            Timeout::Never => None,
            Timeout::After(timeout) => Some(Instant::now() + timeout),
        }
    }

    fn written_url(&self) -> String {
        match &self.config.transporter {
            Some(TransporterConfig::Url(url)) => redact(url),
            _ => self.uplink.url.clone(),
        }
    }
}

pub(crate) fn is_over(until: Option<Instant>, wait: Duration) -> bool {
    until.is_some_and(|until| Instant::now() + wait >= until)
}

/// Transporters should name servers without passwords. This removes them if a transporter forgets.
fn without_secrets(error: TransportError) -> TransportError {
    match error {
        TransportError::Connect { to, source } => TransportError::Connect { to: redact(&to), source },
        error => error,
    }
}
