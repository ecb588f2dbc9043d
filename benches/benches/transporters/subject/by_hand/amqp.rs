//! lapin: a queue for each place, and an exchange for frames to all nodes. Nothing is acknowledged.

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use std::io;

use super::{Names, To, ended};
use crate::subject::bus::Bus;

pub(super) struct Amqp {
    #[allow(dead_code, reason = "kept alive")]
    connection: Connection,
    channel: Channel,
    names: Names<ShortString>,
}

impl Amqp {
    /// A queue that is deleted with this connection.
    async fn queue(&self, place: To) -> lapin::Result<Consumer> {
        let none = FieldTable::default;
        // Every node has its own queue for frames to all nodes.
        let queue =
            if matches!(place, To::All) { ShortString::default() } else { self.names.of(place).clone() };
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue = self.channel.queue_declare(queue, options, none()).await?.name().clone();
        if matches!(place, To::All) {
            let (exchange, key) = (self.names.of(place).clone(), ShortString::default());
            let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
            self.channel.exchange_declare(exchange.clone(), ExchangeKind::Fanout, options, none()).await?;
            let options = QueueBindOptions::default();
            self.channel.queue_bind(queue.clone(), exchange, key, options, none()).await?;
        }
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        self.channel.basic_consume(queue, ShortString::default(), options, none()).await
    }
}

impl super::Wire for Amqp {
    type Source = Consumer;

    async fn open(namespace: &str, places: &[To]) -> io::Result<(Self, Vec<Self::Source>)> {
        let connection = Connection::connect(&Bus::Amqp.url()?, ConnectionProperties::default()).await;
        let connection = connection.map_err(io::Error::other)?;
        let channel = connection.create_channel().await.map_err(io::Error::other)?;
        let wire = Self { connection, channel, names: Names::new(namespace, ShortString::from) };
        let mut sources = Vec::new();
        for place in places {
            sources.push(wire.queue(*place).await.map_err(io::Error::other)?);
        }
        Ok((wire, sources))
    }

    async fn send(&self, to: To, frames: &[Bytes]) -> io::Result<()> {
        let (name, none) = (self.names.of(to).clone(), ShortString::default());
        let (exchange, key) = if matches!(to, To::All) { (name, none) } else { (none, name) };
        for frame in frames {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let published =
                self.channel.basic_publish(exchange.clone(), key.clone(), options, frame, properties);
            published.await.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl super::Source for Consumer {
    async fn batch(&mut self) -> io::Result<Vec<Bytes>> {
        let delivery = self.next().await.ok_or_else(ended)?.map_err(io::Error::other)?;
        Ok(vec![delivery.data.into()])
    }
}
