//! rdkafka: a topic of one partition for each place, sent at once (`queue.buffering.max.ms = 0`) and
//! acknowledged by the leader (`acks = 1`).

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::io;

use super::{Names, To};
use crate::subject::bus::Bus;

pub(super) struct Kafka {
    producer: ThreadedProducer<DefaultProducerContext>,
    topics: Names<String>,
}

fn config() -> io::Result<ClientConfig> {
    let address = Bus::Kafka.address()?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("{}:{}", address.host, address.port));
    Ok(config)
}

impl super::Wire for Kafka {
    type Source = StreamConsumer;

    async fn open(namespace: &str, places: &[To]) -> io::Result<(Self, Vec<Self::Source>)> {
        let topics = Names::new(namespace, std::convert::identity);
        let admin: AdminClient<DefaultClientContext> = config()?.create().map_err(io::Error::other)?;
        let new = places.iter().map(|place| NewTopic::new(topics.of(*place), 1, TopicReplication::Fixed(1)));
        let new: Vec<_> = new.collect();
        // The results are ignored: the topic for all nodes exists after the first node.
        admin.create_topics(&new, &AdminOptions::new()).await.map_err(io::Error::other)?;
        let mut config = config()?;
        let consumer: StreamConsumer = config
            .clone()
            .set("group.id", namespace)
            .set("enable.auto.commit", "false")
            .create()
            .map_err(io::Error::other)?;
        let mut assigned = TopicPartitionList::new();
        for place in places {
            // The topics are new, so the beginning is the current position.
            let added = assigned.add_partition_offset(topics.of(*place), 0, Offset::Beginning);
            added.map_err(io::Error::other)?;
        }
        consumer.assign(&assigned).map_err(io::Error::other)?;
        config.set("queue.buffering.max.ms", "0").set("acks", "1");
        let producer = config.create().map_err(io::Error::other)?;
        Ok((Self { producer, topics }, vec![consumer]))
    }

    async fn send(&self, to: To, frames: &[Bytes]) -> io::Result<()> {
        for frame in frames {
            let record = BaseRecord::<(), [u8]>::to(self.topics.of(to)).partition(0).payload(&frame[..]);
            self.producer.send(record).map_err(|(error, _)| io::Error::other(error))?;
        }
        Ok(())
    }
}

impl super::Source for StreamConsumer {
    async fn batch(&mut self) -> io::Result<Vec<Bytes>> {
        let message = self.recv().await.map_err(io::Error::other)?;
        Ok(vec![Bytes::copy_from_slice(message.payload().unwrap_or_default())])
    }
}
