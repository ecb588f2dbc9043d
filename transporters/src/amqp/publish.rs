//! Publishing: batches of frames on a channel of their own.
//!
//! The client library accepts whatever it is given, and reports when it has been written. It holds one batch
//! at a time. So the amount that it holds is bounded, and it is known which frames a session was given and
//! did not send.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection, ErrorKind};
use std::collections::VecDeque;
use std::sync::Arc;

use super::AmqpOptions;
use super::refusals::{Refusals, note};
use super::topology::Destination;
use crate::TransportError;
use crate::bus::Parcel;

/// The result of a batch: the topics of frames that the server refused.
type Flight = BoxFuture<'static, lapin::Result<Vec<ShortString>>>;

/// The publishing channel, and the batch that is being written.
pub(super) struct Publisher {
    channel: Channel,
    properties: BasicProperties,
    confirms: bool,
    /// The batch that the library holds, and the number of its last frame.
    flight: Option<(u64, Flight)>,
    refusals: Arc<Refusals>,
}

/// A batch that has been written.
pub(super) struct Landed {
    /// The number of its last frame.
    pub(super) number: u64,
    /// The topics of frames that the server did not accept.
    pub(super) refused: Vec<ShortString>,
}

impl Publisher {
    pub(super) async fn new(connection: &Connection, options: &AmqpOptions) -> lapin::Result<Self> {
        let confirms = options.publisher_confirms;
        let channel = open(connection, confirms).await?;
        let refusals = Arc::new(Refusals::new(channel.clone()));
        let properties = options.message_options.properties();
        Ok(Self { channel, properties, confirms, flight: None, refusals })
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// Opens the channel again if the server has closed it. Waits for the server's reason first.
    ///
    /// # Errors
    /// If the connection is gone.
    ///
    /// # Cancel safety
    /// If the future is dropped, the channel is still closed, and `mend` may be called again.
    pub(super) async fn mend(&mut self, connection: &Connection) -> Result<(), TransportError> {
        if self.channel.status().connected() {
            return Ok(());
        }
        if !connection.status().connected() {
            return Err(TransportError::Lost("the connection has ended".to_owned()));
        }
        self.refusals.heard().await;
        self.channel = open(connection, self.confirms).await.map_err(|error| lost(&error))?;
        self.refusals.replaced_by(self.channel.clone());
        Ok(())
    }

    /// Closes the channel. It is not an error if the server closes it first.
    pub(super) async fn close(&mut self) -> lapin::Result<()> {
        match self.channel.close(200, "OK".into()).await {
            Err(error) if is_of_channel(&error) => Ok(()),
            closed => closed,
        }
    }

    /// Waits until the previous batch has been written, if there is one, or until the server has closed its
    /// channel.
    ///
    /// # Cancel safety
    /// If the future is dropped, the batch is still being written, and `settle` may be called again.
    pub(super) async fn settle(&mut self) -> Result<Option<Landed>, TransportError> {
        let Some((number, flight)) = &mut self.flight else { return Ok(None) };
        let number = *number;
        let done = flight.await;
        self.flight = None;
        match done {
            Ok(refused) => Ok(Some(Landed { number, refused })),
            // The server reports which frames it refuses in the way that `refusals` describes.
            Err(error) if is_of_channel(&error) => Ok(Some(Landed { number, refused: Vec::new() })),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Hands a batch to the library, which takes it at once. The previous batch must have settled.
    ///
    /// What is left in `parcels` was not taken, because the channel is closed.
    ///
    /// # Errors
    /// If the library takes nothing although the channel is open.
    pub(super) fn hand_over(
        &mut self,
        parcels: &mut VecDeque<Parcel<Destination>>,
    ) -> Result<(), TransportError> {
        let mut flights: Vec<Flight> = Vec::new();
        let mut destinations = Vec::new();
        let (mut number, mut failed) = (None, None);
        while let Some(parcel) = parcels.front() {
            let (exchange, key) = match &parcel.topic {
                Destination::Queue(name) => (ShortString::default(), name.clone()),
                Destination::Exchange(name) => (name.clone(), ShortString::default()),
            };
            // Frames are written in order. Without confirmations, the last one is therefore enough to wait
            // for.
            let taken = if self.confirms || parcels.len() == 1 {
                let mut flight = self.fly(exchange, key, parcel.payload.clone());
                // The library takes the frame at the first poll.
                match (&mut flight).now_or_never() {
                    Some(Err(error)) => Err(error),
                    taken => {
                        flights.push(match taken {
                            Some(refused) => std::future::ready(refused).boxed(),
                            None => flight,
                        });
                        Ok(())
                    }
                }
            } else {
                let properties = self.properties.clone();
                let options = BasicPublishOptions::default();
                let publishing =
                    self.channel.basic_publish(exchange, key, options, &parcel.payload, properties);
                publishing.now_or_never().map_or(Ok(()), |taken| taken.map(drop))
            };
            if let Err(error) = taken {
                failed = Some(error);
                break;
            }
            note(&mut destinations, &parcel.topic);
            number = Some(parcel.number);
            parcels.pop_front();
        }
        self.refusals.handed_over(destinations);
        let flight = async move {
            let mut refused = Vec::new();
            for landed in join_all(flights).await {
                refused.extend(landed?);
            }
            Ok(refused)
        };
        self.flight = number.map(|number| (number, flight.boxed()));
        match failed {
            Some(error) if self.channel.status().connected() => Err(lost(&error)),
            _ => Ok(()),
        }
    }

    fn fly(&self, exchange: ShortString, key: ShortString, payload: bytes::Bytes) -> Flight {
        let (channel, properties) = (self.channel.clone(), self.properties.clone());
        async move {
            let topic = if key.as_str().is_empty() { exchange.clone() } else { key.clone() };
            let options = BasicPublishOptions::default();
            let confirm = channel.basic_publish(exchange, key, options, &payload, properties).await?;
            let refused = confirm.await?.is_nack();
            Ok(refused.then_some(topic).into_iter().collect())
        }
        .boxed()
    }
}

/// Opens a channel to publish on.
async fn open(connection: &Connection, confirms: bool) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    if confirms {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
    }
    Ok(channel)
}

/// Whether an error has ended only a channel.
fn is_of_channel(error: &lapin::Error) -> bool {
    error.is_amqp_soft_error() || matches!(error.kind(), ErrorKind::InvalidChannelState(..))
}

fn lost(error: &lapin::Error) -> TransportError {
    TransportError::Lost(error.to_string())
}
