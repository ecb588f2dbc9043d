//! async-nats: a subject for each place.

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::ReadyChunks;
use std::io;

use super::{BATCH, Names, To, ended};
use crate::subject::bus::Bus;

pub(super) struct Nats {
    client: async_nats::Client,
    subjects: Names<Subject>,
}

impl super::Wire for Nats {
    type Source = ReadyChunks<Subscriber>;

    async fn open(namespace: &str, places: &[To]) -> io::Result<(Self, Vec<Self::Source>)> {
        let client = async_nats::connect(Bus::Nats.url()?).await.map_err(io::Error::other)?;
        let subjects = Names::new(namespace, Subject::from);
        let mut sources = Vec::new();
        for place in places {
            let subscriber = client.subscribe(subjects.of(*place).clone()).await;
            sources.push(subscriber.map_err(io::Error::other)?.ready_chunks(BATCH));
        }
        // The server has seen the subscriptions when this is back.
        client.flush().await.map_err(io::Error::other)?;
        Ok((Self { client, subjects }, sources))
    }

    async fn send(&self, to: To, frames: &[Bytes]) -> io::Result<()> {
        for frame in frames {
            let published = self.client.publish(self.subjects.of(to).clone(), frame.clone()).await;
            published.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl super::Source for ReadyChunks<Subscriber> {
    async fn batch(&mut self) -> io::Result<Vec<Bytes>> {
        let messages = self.next().await.ok_or_else(ended)?;
        Ok(messages.into_iter().map(|message| message.payload).collect())
    }
}
