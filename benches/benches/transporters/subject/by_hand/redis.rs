//! redis-rs: a channel for each place. Frames that are sent together are one pipeline.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::ReadyChunks;
use redis::aio::{MultiplexedConnection, PubSubStream};
use std::io;

use super::{BATCH, Names, To, ended};
use crate::subject::bus::Bus;

pub(super) struct Redis {
    connection: MultiplexedConnection,
    channels: Names<String>,
}

impl super::Wire for Redis {
    type Source = ReadyChunks<PubSubStream>;

    async fn open(namespace: &str, places: &[To]) -> io::Result<(Self, Vec<Self::Source>)> {
        let client = redis::Client::open(Bus::Redis.url()?).map_err(io::Error::other)?;
        let channels = Names::new(namespace, std::convert::identity);
        let mut pubsub = client.get_async_pubsub().await.map_err(io::Error::other)?;
        for place in places {
            pubsub.subscribe(channels.of(*place)).await.map_err(io::Error::other)?;
        }
        // By default, a connection gives up after half a second, which may be too short on a busy machine.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(io::Error::other)?;
        Ok((Self { connection, channels }, vec![pubsub.into_on_message().ready_chunks(BATCH)]))
    }

    async fn send(&self, to: To, frames: &[Bytes]) -> io::Result<()> {
        let mut pipeline = redis::Pipeline::with_capacity(frames.len());
        for frame in frames {
            pipeline.cmd("PUBLISH").arg(self.channels.of(to)).arg(&frame[..]).ignore();
        }
        pipeline.exec_async(&mut self.connection.clone()).await.map_err(io::Error::other)
    }
}

impl super::Source for ReadyChunks<PubSubStream> {
    async fn batch(&mut self) -> io::Result<Vec<Bytes>> {
        let messages = self.next().await.ok_or_else(ended)?;
        Ok(messages.iter().map(|message| Bytes::copy_from_slice(message.get_payload_bytes())).collect())
    }
}
