//! Receiving: declares, binds and consumes queues, and acknowledges their messages.

use futures_util::StreamExt as _;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer, ExchangeKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::AmqpOptions;
use super::ledger::{Handled, Ledger};
use super::topology::{Lane, Queue};
use crate::bus::{First, Port, Pump};
use crate::{Frame, PacketKind, Subscription, TransportError};

/// Deliveries that are taken from the client library at once.
const BATCH: usize = 512;

/// Receives the messages of a session.
pub(super) struct Intake {
    options: Arc<AmqpOptions>,
    port: Port,
    /// The channel for declarations. An error closes it, so nothing else happens on it.
    declaring: Channel,
    lanes: HashMap<Lane, (Channel, Pump)>,
    queues: HashMap<ShortString, Consumed>,
    exchanges: HashMap<ShortString, bool>,
    ledger: Arc<Ledger>,
    /// Why the session is of no more use, once it is.
    fate: First<String>,
}

/// A queue that is consumed.
struct Consumed {
    lane: Lane,
    /// The subscriptions that it serves. They share one consumer.
    wanted: Vec<Subscription>,
    bound: Option<ShortString>,
    /// Whether its consumer was told to end.
    cancelled: Arc<AtomicBool>,
}

impl Intake {
    pub(super) async fn new(
        connection: &Connection,
        options: Arc<AmqpOptions>,
        port: &Port,
        fate: First<String>,
        handled: Arc<Handled>,
    ) -> lapin::Result<Self> {
        let declaring = connection.create_channel().await?;
        let acked = connection.create_channel().await?;
        // The limit applies per consumer, as in Node.
        acked.basic_qos(options.prefetch, BasicQosOptions { global: false }).await?;
        let ledger = Arc::new(Ledger::new(port, handled));
        port.spawn(Arc::clone(&ledger).acknowledge(acked.clone()));
        let mut lanes = HashMap::new();
        // Control packets and data have separate lanes, so that data never delays heartbeats.
        let (data, inbox) = port.inbox();
        port.read(inbox);
        let (control, inbox) = port.inbox();
        port.read(inbox);
        lanes.insert(Lane::Acked, (acked, data.clone()));
        lanes.insert(Lane::Data, (connection.create_channel().await?, data));
        lanes.insert(Lane::Control, (connection.create_channel().await?, control));
        let (queues, exchanges) = (HashMap::new(), HashMap::new());
        let port = port.clone();
        Ok(Self { options, port, declaring, lanes, queues, exchanges, ledger, fate })
    }

    pub(super) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Starts to receive a subscription.
    pub(super) async fn subscribe(
        &mut self,
        connection: &Connection,
        to: &Subscription,
    ) -> Result<(), TransportError> {
        let queue = Queue::of(&self.options, self.port.link().topics(), to)?;
        let new = match self.queues.get(&queue.name) {
            Some(known) if known.wanted.contains(to) => return Ok(()),
            known => known.is_none(),
        };
        self.reopen(connection).await?;
        let refused = |error: lapin::Error| refusal(queue.name.as_str(), &error);
        if new {
            let options = QueueDeclareOptions {
                durable: queue.durable,
                exclusive: queue.exclusive,
                auto_delete: queue.auto_delete,
                ..QueueDeclareOptions::default()
            };
            let declared = self.declaring.queue_declare(queue.name.clone(), options, queue.arguments.clone());
            declared.await.map_err(refused)?;
        }
        if let Some(exchange) = &queue.exchange {
            self.declare(connection, exchange).await?;
            let (name, from) = (queue.name.clone(), exchange.clone());
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            let bound = self.declaring.queue_bind(name, from, ShortString::default(), options, arguments);
            bound.await.map_err(refused)?;
        }
        let cancelled = if new { Some(self.consume(&queue).await.map_err(refused)?) } else { None };
        let consumed = match (self.queues.entry(queue.name), cancelled) {
            (Entry::Vacant(free), Some(cancelled)) => {
                free.insert(Consumed { lane: queue.lane, wanted: Vec::new(), bound: None, cancelled })
            }
            (Entry::Occupied(known), _) => known.into_mut(),
            (Entry::Vacant(_), None) => return Ok(()),
        };
        consumed.wanted.push(to.clone());
        consumed.bound = consumed.bound.take().or(queue.exchange);
        Ok(())
    }

    /// Stops receiving a subscription.
    pub(super) async fn unsubscribe(
        &mut self,
        connection: &Connection,
        from: &Subscription,
    ) -> Result<(), TransportError> {
        let queue = Queue::of(&self.options, self.port.link().topics(), from)?;
        let Some(consumed) = self.queues.get_mut(&queue.name) else { return Ok(()) };
        consumed.wanted.retain(|one| one != from);
        let last = consumed.wanted.is_empty();
        let bound = if queue.exchange.is_some() { consumed.bound.take() } else { None };
        let (lane, cancelled) = (consumed.lane, Arc::clone(&consumed.cancelled));
        let refused = |error: lapin::Error| refusal(queue.name.as_str(), &error);
        if let Some(exchange) = bound {
            self.reopen(connection).await?;
            self.unbind(&queue.name, exchange).await.map_err(refused)?;
        }
        if last {
            cancelled.store(true, Ordering::Release);
            self.queues.remove(&queue.name);
            if let Some((channel, _)) = self.lanes.get(&lane) {
                let cancel = channel.basic_cancel(queue.name.clone(), BasicCancelOptions::default());
                cancel.await.map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Declares an exchange, unless that has been done. Fails if it may not be published to.
    pub(super) async fn declare(
        &mut self,
        connection: &Connection,
        exchange: &ShortString,
    ) -> Result<(), TransportError> {
        if self.exchanges.get(exchange) == Some(&true) {
            return Ok(());
        }
        self.reopen(connection).await?;
        let given = &self.options.exchange_options;
        let options = ExchangeDeclareOptions {
            durable: given.durable,
            auto_delete: given.auto_delete,
            internal: given.internal,
            ..ExchangeDeclareOptions::default()
        };
        let (name, arguments) = (exchange.clone(), given.arguments.table());
        let declared = self.declaring.exchange_declare(name, ExchangeKind::Fanout, options, arguments).await;
        self.exchanges.insert(exchange.clone(), declared.is_ok());
        declared.map_err(|error| refusal(exchange.as_str(), &error))
    }

    /// Whether an exchange could be declared. `None` if nobody has asked yet.
    pub(super) fn exchange(&self, name: &ShortString) -> Option<bool> {
        self.exchanges.get(name).copied()
    }

    /// Stops taking requests that other nodes can serve, and unbinds the queues from the exchanges.
    pub(super) async fn leave(&mut self, connection: &Connection) -> Result<(), TransportError> {
        for consumed in self.queues.values() {
            consumed.cancelled.store(true, Ordering::Release);
        }
        for (name, consumed) in &self.queues {
            if let (Lane::Acked, Some((channel, _))) = (consumed.lane, self.lanes.get(&consumed.lane)) {
                let cancel = channel.basic_cancel(name.clone(), BasicCancelOptions::default());
                cancel.await.map_err(|error| refusal(name.as_str(), &error))?;
            }
        }
        self.reopen(connection).await?;
        for (name, consumed) in &mut self.queues {
            if let Some(exchange) = consumed.bound.take() {
                let unbound = self.declaring.queue_unbind(
                    name.clone(),
                    exchange,
                    ShortString::default(),
                    FieldTable::default(),
                );
                unbound.await.map_err(|error| refusal(name.as_str(), &error))?;
            }
        }
        Ok(())
    }

    async fn unbind(&self, queue: &ShortString, exchange: ShortString) -> lapin::Result<()> {
        let (key, arguments) = (ShortString::default(), FieldTable::default());
        self.declaring.queue_unbind(queue.clone(), exchange, key, arguments).await
    }

    /// Opens the channel for declarations again if a refusal has closed it.
    async fn reopen(&mut self, connection: &Connection) -> Result<(), TransportError> {
        if !self.declaring.status().connected() {
            let opened = connection.create_channel().await;
            self.declaring = opened.map_err(|error| TransportError::Lost(error.to_string()))?;
        }
        Ok(())
    }

    /// Starts a consumer and the task that empties it.
    async fn consume(&self, queue: &Queue) -> lapin::Result<Arc<AtomicBool>> {
        let Some((channel, pump)) = self.lanes.get(&queue.lane) else {
            return Err(lapin::ErrorKind::InvalidChannel(0).into());
        };
        let given = &self.options.consume_options;
        let options = BasicConsumeOptions {
            no_ack: queue.lane != Lane::Acked,
            exclusive: given.exclusive,
            no_local: given.no_local,
            ..BasicConsumeOptions::default()
        };
        let (name, tag) = (queue.name.clone(), queue.name.clone());
        let consumer = channel.basic_consume(name, tag, options, given.arguments.table()).await?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let ledger = (queue.lane == Lane::Acked).then(|| Arc::clone(&self.ledger));
        let (kind, pump, fate) = (queue.kind, pump.clone(), self.fate.clone());
        let (name, told) = (queue.name.clone(), Arc::clone(&cancelled));
        self.port.spawn(async move {
            let why = empty(consumer, kind, pump, ledger).await;
            if told.load(Ordering::Acquire) {
                return;
            }
            match why {
                None => fate.say(format!("the server has ended the consumer of {name}: was it deleted?")),
                Some(error) if error.is_amqp_soft_error() => fate.say(format!("{name}: {error}")),
                Some(error) => fate.say(error.to_string()),
            }
        });
        Ok(cancelled)
    }
}

/// Moves everything from a consumer into the node's inbox until the consumer ends. Returns the error with
/// which it ended, if there was one.
async fn empty(
    consumer: Consumer,
    kind: PacketKind,
    pump: Pump,
    ledger: Option<Arc<Ledger>>,
) -> Option<lapin::Error> {
    let mut batches = consumer.ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let mut error = None;
        pump.push(batch.into_iter().filter_map(|delivery| match delivery {
            Ok(delivery) => match &ledger {
                Some(ledger) => ledger.frame(kind, delivery),
                None => Some(Frame::new(kind, delivery.data)),
            },
            Err(why) => {
                error = Some(why);
                None
            }
        }));
        if error.is_some() {
            return error;
        }
        // Give other tasks a turn, even if the queue is never empty.
        tokio::task::coop::consume_budget().await;
    }
    None
}

impl Intake {
    /// Acknowledges what has been handled, now that everything has left.
    pub(super) fn settle(&self) {
        self.ledger.sent(self.port.accepted());
        if let Some((channel, _)) = self.lanes.get(&Lane::Acked) {
            self.ledger.send(channel);
        }
    }
}

/// The error of a request: what the server says, or that there is no connection.
fn refusal(topic: &str, error: &lapin::Error) -> TransportError {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(said) => {
            TransportError::subscribe(topic, said.get_message().to_string())
        }
        _ => TransportError::Lost(error.to_string()),
    }
}
