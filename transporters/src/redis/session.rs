//! A pair of connections with one server. One listens, the other publishes.

use async_trait::async_trait;
use futures_util::future::join_all;
use redis::RedisError;
use std::collections::VecDeque;
use std::sync::Arc;

use super::end::End;
use super::line::Line;
use super::publisher::Publisher;
use crate::bus::{Parcel, Port, Session};
use crate::{Subscription, Topics, TransportError};

/// See the module.
pub(super) struct RedisSession {
    listener: Line,
    publisher: Publisher,
    topics: Topics,
    end: End,
}

impl RedisSession {
    pub(super) fn start(listener: Line, publisher: Line, topics: Topics, end: End, port: &Port) -> Self {
        let publisher = Publisher::start(publisher, end.clone(), port);
        Self { listener, publisher, topics, end }
    }
}

#[async_trait]
impl Session for RedisSession {
    type Topic = Arc<str>;

    fn max_frame(&self) -> usize {
        usize::MAX
    }

    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        // Each channel has its own command, because a refusal names no channel. All commands are sent at
        // once.
        let channels = to.iter().map(|one| self.topics.of(one));
        let confirmed = join_all(channels.map(|channel| {
            let mut connection = self.listener.connection();
            async move {
                let confirmed = connection.subscribe(&channel).await;
                confirmed.map_err(|why| self.refusal(channel, why))
            }
        }));
        confirmed.await.into_iter().collect()
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        let channels: Vec<String> = from.iter().map(|one| self.topics.of(one)).collect();
        let confirmed = self.listener.connection().unsubscribe(&channels).await;
        confirmed.map_err(|why| self.refusal(channels.join(", "), why))
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<Arc<str>>>) -> Result<(), TransportError> {
        self.publisher.publish(parcels).await
    }

    fn publish_now(&self, parcel: Parcel<Arc<str>>) -> Option<Parcel<Arc<str>>> {
        self.publisher.publish_now(parcel)
    }

    async fn lost(&self) -> TransportError {
        self.end.reason().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        tokio::select! {
            () = self.publisher.settled() => Ok(()),
            why = self.lost() => Err(why),
        }
    }
}

impl RedisSession {
    fn refusal(&self, channel: String, why: RedisError) -> TransportError {
        if why.is_unrecoverable_error() || why.is_timeout() {
            self.listener.lost(&why)
        } else {
            TransportError::subscribe(channel, why)
        }
    }
}
