//! What a server has, asked by a connection of the test's own.

use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use tests_support::{is, until};

/// A connection that declares and asks.
pub(crate) struct Server(Connection);

impl Server {
    pub(crate) async fn at(url: &str) -> Self {
        // The client library takes an empty path for another virtual host.
        let url = format!("{url}/%2f");
        Self(Connection::connect(&url, ConnectionProperties::default()).await.unwrap())
    }

    /// A refusal closes a channel, so each question has one of its own.
    pub(crate) async fn channel(&self) -> Channel {
        self.0.create_channel().await.unwrap()
    }

    /// Declares a queue as Node's client library does.
    pub(crate) async fn declare(
        &self,
        name: &str,
        auto_delete: bool,
        arguments: &[(&str, i32)],
    ) -> lapin::Result<()> {
        let mut table = FieldTable::default();
        for (name, number) in arguments {
            table.insert((*name).into(), AMQPValue::LongInt(*number));
        }
        let options = QueueDeclareOptions { durable: true, auto_delete, ..QueueDeclareOptions::default() };
        let declared = self.channel().await.queue_declare(name.into(), options, table).await;
        declared.map(|_| ())
    }

    /// Consumers of a queue; `None` when it is not there.
    pub(crate) async fn consumers(&self, name: &str) -> Option<u32> {
        Some(self.queue(name).await?.consumer_count())
    }

    /// Messages of a queue that nobody has been given.
    pub(crate) async fn waiting(&self, name: &str) -> u32 {
        self.queue(name).await.unwrap().message_count()
    }

    /// Waits until so many messages are in a queue that nobody has been given.
    pub(crate) async fn waits(&self, name: &str, count: u32) {
        let what = format!("{count} wait in {name}");
        until(&what, async || is(self.waiting(name).await, |waiting| *waiting == count)).await;
    }

    async fn queue(&self, name: &str) -> Option<lapin::Queue> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await;
        channel.queue_declare(name.into(), options, FieldTable::default()).await.ok()
    }

    pub(crate) async fn delete_exchange(&self, name: &str) {
        let deleted =
            self.channel().await.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await;
        deleted.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        let deleted = self.channel().await.queue_delete(name.into(), QueueDeleteOptions::default()).await;
        deleted.unwrap();
    }
}
