//! The way out: batches of frames on a channel of their own.
//!
//! The client library takes whatever it is given, and says when it has been written. One batch at a time is
//! in its hands, so what it holds is bounded, and what a session was given and did not send is known.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel};
use std::collections::VecDeque;

use super::AmqpOptions;
use super::topology::Destination;
use crate::TransportError;
use crate::bus::Parcel;

/// What became of a batch: the topics of frames that the server refused.
type Flight = BoxFuture<'static, lapin::Result<Vec<ShortString>>>;

/// The publishing channel and the batch that is on its way.
pub(super) struct Publisher {
    channel: Channel,
    properties: BasicProperties,
    confirms: bool,
    /// The batch that the library has, and the number of its last frame.
    flight: Option<(u64, Flight)>,
}

/// A batch that has left.
pub(super) struct Landed {
    /// The number of its last frame.
    pub(super) number: u64,
    /// Topics of frames that the server did not take.
    pub(super) refused: Vec<ShortString>,
}

impl Publisher {
    pub(super) async fn new(channel: Channel, options: &AmqpOptions) -> lapin::Result<Self> {
        if options.publisher_confirms {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        let properties = options.message_options.properties();
        Ok(Self { channel, properties, confirms: options.publisher_confirms, flight: None })
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Waits until the batch before has left, if one is on its way.
    ///
    /// # Cancel safety
    /// The batch stays on its way.
    pub(super) async fn settle(&mut self) -> Result<Option<Landed>, TransportError> {
        let Some((number, flight)) = &mut self.flight else { return Ok(None) };
        let number = *number;
        let done = flight.await;
        self.flight = None;
        let refused = done.map_err(|error| lost(&error))?;
        Ok(Some(Landed { number, refused }))
    }

    /// Hands a batch to the library, which takes it at once. Not to be called before the one before has
    /// settled.
    ///
    /// # Errors
    /// When the channel is closed. What is left in `parcels` then was not taken.
    pub(super) fn hand_over(
        &mut self,
        parcels: &mut VecDeque<Parcel<Destination>>,
    ) -> Result<(), TransportError> {
        let mut flights: Vec<Flight> = Vec::new();
        let mut number = 0;
        while let Some(parcel) = parcels.front() {
            let (exchange, key) = match &parcel.topic {
                Destination::Queue(name) => (ShortString::default(), name.clone()),
                Destination::Exchange(name) => (name.clone(), ShortString::default()),
                Destination::TooLong(_) => {
                    number = parcel.number;
                    parcels.pop_front();
                    continue;
                }
            };
            // Each is written after those before it: without confirmations the last one tells enough.
            if self.confirms || parcels.len() == 1 {
                let mut flight = self.fly(exchange, key, parcel.payload.clone());
                // The library takes the frame when asked for the first time.
                match (&mut flight).now_or_never() {
                    Some(Err(error)) => return Err(lost(&error)),
                    Some(Ok(refused)) => flights.push(std::future::ready(Ok(refused)).boxed()),
                    None => flights.push(flight),
                }
            } else {
                let properties = self.properties.clone();
                let options = BasicPublishOptions::default();
                let publishing =
                    self.channel.basic_publish(exchange, key, options, &parcel.payload, properties);
                if let Some(Err(error)) = publishing.now_or_never() {
                    return Err(lost(&error));
                }
            }
            number = parcel.number;
            parcels.pop_front();
        }
        let flight = async move {
            let mut refused = Vec::new();
            for landed in join_all(flights).await {
                refused.extend(landed?);
            }
            Ok(refused)
        };
        self.flight = Some((number, flight.boxed()));
        Ok(())
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

fn lost(error: &lapin::Error) -> TransportError {
    TransportError::Lost(error.to_string())
}
