//! One connection with a server, from its start to its end.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use lapin::{Connection, ErrorKind, Event};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

use super::AmqpOptions;
use super::consume::Intake;
use super::ledger::{Handled, Ledger};
use super::publish::{Landed, Publisher};
use super::refusals::{Refusals, Verdict};
use super::socket::Cut;
use super::topology::Destination;
use crate::bus::{First, Parcel, Port, Session};
use crate::{Subscription, TransportError};

/// See [`Session`].
pub(super) struct AmqpSession {
    /// The first field, so that it is dropped first. What the other fields still hold is then not sent.
    _cut: Cut,
    intake: Mutex<Intake>,
    publisher: Mutex<Publisher>,
    refusals: Arc<Refusals>,
    ledger: Arc<Ledger>,
    /// Why the session is of no more use, once it is.
    fate: First<String>,
    blocked: watch::Receiver<bool>,
    port: Port,
    connection: Connection,
}

impl AmqpSession {
    /// Opens the channels.
    pub(super) async fn begin(
        connection: Connection,
        cut: Cut,
        options: Arc<AmqpOptions>,
        port: &Port,
        handled: Arc<Handled>,
    ) -> lapin::Result<Self> {
        let fate = First::default();
        let (hold, blocked) = watch::channel(false);
        let events = connection.events_listener();
        // The connection ends with the tasks of its session, even if something still holds the session.
        let tied = cut.clone();
        port.spawn(async move {
            std::future::pending::<()>().await;
            drop(tied);
        });
        let publisher = Publisher::new(&connection, &options).await?;
        let refusals = publisher.refusals();
        port.spawn(watch_over(events, fate.clone(), hold, Arc::clone(&refusals), port.clone()));
        let intake = Intake::new(&connection, options, port, fate.clone(), handled).await?;
        Ok(Self {
            _cut: cut,
            ledger: intake.ledger(),
            intake: Mutex::new(intake),
            publisher: Mutex::new(publisher),
            refusals,
            fate,
            blocked,
            port: port.clone(),
            connection,
        })
    }

    /// Removes what cannot be published, and declares the exchanges of the rest.
    async fn prepare(&self, parcels: &mut VecDeque<Parcel<Destination>>) -> Result<(), TransportError> {
        let forbidden = self.refusals.forbidden();
        let mut intake = None;
        let mut at = 0;
        while let Some(parcel) = parcels.get(at) {
            match &parcel.topic {
                Destination::Queue(name) => match forbidden.queues() {
                    None => at += 1,
                    Some(why) => {
                        self.port.refused(&TransportError::refused(name.as_str(), why.to_owned()));
                        if parcel.token != 0 {
                            self.port.link().unsent(&[parcel.token]);
                        }
                        parcels.remove(at);
                    }
                },
                Destination::Exchange(name) if forbidden.exchange(name) => _ = parcels.remove(at),
                Destination::Exchange(name) => {
                    let name = name.clone();
                    if intake.is_none() {
                        intake = Some(self.intake.lock().await);
                    }
                    let Some(intake) = &mut intake else { continue };
                    if intake.exchange(&name).is_none() {
                        match intake.declare(&self.connection, &name).await {
                            Err(why @ TransportError::Subscribe { .. }) => self.port.refused(&why),
                            declared => declared?,
                        }
                    }
                    match intake.exchange(&name) {
                        Some(true) => at += 1,
                        _ => _ = parcels.remove(at),
                    }
                }
            }
        }
        Ok(())
    }

    fn landed(&self, landed: Option<Landed>) {
        let Some(Landed { number, refused }) = landed else { return };
        self.ledger.sent(number);
        for topic in refused {
            let why = TransportError::refused(topic.as_str(), "the server did not take a message");
            self.port.refused(&why);
        }
    }
}

/// Follows the events of the whole connection.
async fn watch_over(
    events: impl futures_util::Stream<Item = Event> + Send,
    fate: First<String>,
    blocked: watch::Sender<bool>,
    refusals: Arc<Refusals>,
    port: Port,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                if let Some(left_out) = port.link().log_line("AMQP blocked") {
                    tracing::warn!(
                        reason,
                        left_out = (left_out > 0).then_some(left_out),
                        "the AMQP server takes nothing for the time being"
                    );
                }
                blocked.send_replace(true);
            }
            Event::ConnectionUnblocked => {
                if let Some(left_out) = port.link().log_line("AMQP unblocked") {
                    tracing::info!(
                        left_out = (left_out > 0).then_some(left_out),
                        "the AMQP server takes messages again"
                    );
                }
                blocked.send_replace(false);
            }
            Event::Error(error) if !error.is_amqp_soft_error() => fate.say(error.to_string()),
            // Refusals on other channels are reported where they were caused.
            Event::Error(error) => {
                let ErrorKind::ProtocolError(said) = error.kind() else { continue };
                match refusals.closed(said) {
                    Verdict::None => {}
                    Verdict::Report(topics) => {
                        for topic in topics {
                            port.refused(&TransportError::refused(topic, said.get_message().to_string()));
                        }
                    }
                    Verdict::Lose => fate.say(error.to_string()),
                }
            }
            _ => {}
        }
    }
    fate.say("the connection has ended".to_owned());
}

#[async_trait]
impl Session for AmqpSession {
    type Topic = Destination;

    /// AMQP has no way to ask for this limit.
    fn max_frame(&self) -> usize {
        usize::MAX
    }

    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let mut intake = self.intake.lock().await;
        for one in to {
            intake.subscribe(&self.connection, one).await?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        let mut intake = self.intake.lock().await;
        for one in from {
            intake.unsubscribe(&self.connection, one).await?;
        }
        Ok(())
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<Destination>>) -> Result<(), TransportError> {
        let mut publisher = self.publisher.lock().await;
        self.landed(publisher.settle().await?);
        while let Some(last) = parcels.back().map(|parcel| parcel.number) {
            // An error means that the session is over. The channel then fails too.
            let _ = self.blocked.clone().wait_for(|blocked| !blocked).await;
            publisher.mend(&self.connection).await?;
            self.prepare(parcels).await?;
            if parcels.is_empty() {
                // None of these parcels will be sent, so there is nothing to wait for.
                self.ledger.sent(last);
                break;
            }
            publisher.hand_over(parcels)?;
            self.landed(publisher.settle().await?);
        }
        Ok(())
    }

    fn held_back(&self) -> bool {
        *self.blocked.borrow()
    }

    async fn lost(&self) -> TransportError {
        TransportError::Lost(self.fate.reason().await)
    }

    async fn close(&self) -> Result<(), TransportError> {
        let failed = |error: lapin::Error| TransportError::Publish(Box::new(error));
        let mut publisher = self.publisher.lock().await;
        self.landed(publisher.settle().await?);
        // The server answers after it has handled everything before.
        publisher.close().await.map_err(failed)?;
        let mut intake = self.intake.lock().await;
        intake.settle();
        intake.leave(&self.connection).await?;
        self.connection.close(200, "OK".into()).await.map_err(failed)
    }
}
