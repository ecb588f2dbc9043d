//! A session: one client of librdkafka that writes and one that reads, for as long as a server is left.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

use super::KafkaOptions;
use super::events::Events;
use super::handles::{Handles, aside};
use super::reading::Partition;
use super::topics::Topics as ServerTopics;
use crate::bus::{Parcel, Port, Pump, Session};
use crate::{Frame, PacketKind, Subscription, Topics, TransportError};

/// Frames that are taken from librdkafka at once.
const BATCH: usize = 512;
/// The pause before librdkafka is asked again whether it has room or has finished.
const PAUSE: Duration = Duration::from_millis(1);

/// See [`Session`].
pub(super) struct KafkaSession {
    handles: Arc<Handles>,
    events: Arc<Events>,
    options: Arc<KafkaOptions>,
    key: Option<Arc<str>>,
    names: Topics,
    /// The topics that are read, with their partitions. The lock is held while they change.
    wanted: tokio::sync::Mutex<BTreeMap<String, BTreeSet<Partition>>>,
}

impl KafkaSession {
    /// Starts the readers. No topic is read yet.
    pub(super) fn new(
        handles: Handles,
        events: Arc<Events>,
        options: Arc<KafkaOptions>,
        key: Option<Arc<str>>,
        port: &Port,
    ) -> Self {
        let (handles, names) = (Arc::new(handles), port.link().topics().clone());
        // Control packets and data have separate lanes, so that data never delays heartbeats.
        let ((control, control_inbox), (data, data_inbox)) = (port.inbox(), port.inbox());
        port.read(control_inbox);
        port.read(data_inbox);
        port.spawn(read(Arc::clone(&handles), names.clone(), control, data));
        // Any topic will do.
        let topic = names.of(&Subscription::Own(PacketKind::Ping));
        port.spawn(ask(Arc::clone(&handles), Arc::clone(&events), Arc::clone(&options), topic));
        Self { handles, events, options, key, names, wanted: tokio::sync::Mutex::default() }
    }

    /// Reads exactly these topics from now on, and waits until that is so.
    async fn settle(&self, wanted: &BTreeMap<String, BTreeSet<Partition>>) -> Result<(), TransportError> {
        let topics: Vec<&str> = wanted.keys().map(String::as_str).collect();
        self.events.begin_reading(wanted.keys().cloned().collect());
        let mut assigned = self.events.reading.assigned();
        let denied = self.events.denied();
        if topics.is_empty() {
            self.handles.consumer().unsubscribe();
        } else {
            let failed = |why: KafkaError| TransportError::subscribe(topics.join(", "), why);
            self.handles.consumer().subscribe(&topics).map_err(failed)?;
        }
        let settled = assigned.wait_for(|assigned| {
            wanted.values().flatten().all(|partition| assigned.contains(partition))
                && assigned.iter().all(|(topic, _)| wanted.contains_key(topic))
        });
        tokio::select! {
            biased;
            why = self.events.lost() => Err(TransportError::Lost(why)),
            why = denied => Err(why),
            // An error means that partitions are no longer assigned.
            settled = settled => settled.map(drop).map_err(|_| TransportError::Closed),
        }
    }

    /// Resolves with a topic that is wanted but has not been read for `connect_timeout`. When a topic is
    /// gone, the group no longer assigns it, and says so only in passing.
    async fn unread(&self) -> String {
        let mut assigned = self.events.reading.assigned();
        let mut since: Option<tokio::time::Instant> = None;
        loop {
            // The lock is held while subscriptions are made.
            let wanted = self.wanted.lock().await;
            let now = assigned.borrow_and_update().clone();
            let missing = wanted.values().flatten().find(|partition| !now.contains(*partition)).cloned();
            drop(wanted);
            since = missing.as_ref().and(since.or_else(|| Some(tokio::time::Instant::now())));
            let until = since.map(|since| since + self.options.limits.connect_timeout);
            let late = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // An error means that partitions are no longer assigned, because the session has ended.
                changed = assigned.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = late => return missing.map(|(topic, _)| topic).unwrap_or_default(),
            }
        }
    }

    /// Gives a frame to librdkafka, which takes it at once or not at all.
    fn hand_over(&self, parcel: &Parcel<Arc<str>>) -> Result<(), KafkaError> {
        let token = usize::try_from(parcel.token).unwrap_or_default();
        let mut record = BaseRecord::with_opaque_to(&parcel.topic, token).payload(&parcel.payload[..]);
        match &self.key {
            Some(key) => record = record.key(&key[..]),
            None => record = record.partition(self.options.partition),
        }
        self.handles.producer().send(record).map_err(|(why, _)| why)
    }

    /// Resolves once librdkafka holds no more frames.
    async fn written(&self) {
        while self.handles.producer().in_flight_count() > 0 {
            sleep(PAUSE).await;
        }
    }

    /// Finds out which topics exist. A topic that does not exist has no reader, so it is no failure to give up its
    /// frames.
    async fn list(&self, limit: Duration) -> Result<(), TransportError> {
        let (handles, events, options) =
            (Arc::clone(&self.handles), Arc::clone(&self.events), Arc::clone(&self.options));
        let listed = aside(move |stop| {
            ServerTopics { handles: &handles, events: &events, options: &options, stop }
                .metadata(None, Instant::now() + limit)
        });
        self.events.exist(listed.await?.topics().iter().map(|topic| topic.name().to_owned()));
        Ok(())
    }

    fn topics_of(&self, subscriptions: &[Subscription]) -> BTreeSet<String> {
        subscriptions.iter().map(|subscription| self.names.of(subscription)).collect()
    }
}

impl Drop for KafkaSession {
    fn drop(&mut self) {
        // The clients are dropped when the reader has dropped its handle. Nothing may be sent from here on.
        self.handles.purge();
    }
}

#[async_trait]
impl Session for KafkaSession {
    type Topic = Arc<str>;

    fn max_frame(&self) -> usize {
        self.options.limits.max_frame
    }

    /// The group changes once for all of them.
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let mut wanted = self.wanted.lock().await;
        let new: Vec<String> =
            self.topics_of(to).into_iter().filter(|topic| !wanted.contains_key(topic)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let (handles, events, options) =
            (Arc::clone(&self.handles), Arc::clone(&self.events), Arc::clone(&self.options));
        let ends = aside(move |stop| {
            ServerTopics { handles: &handles, events: &events, options: &options, stop }.prepare(&new)
        })
        .await?;
        let mut all = wanted.clone();
        for partition in ends.keys() {
            all.entry(partition.0.clone()).or_default().insert(partition.clone());
        }
        self.events.reading.begin(ends);
        self.settle(&all).await?;
        *wanted = all;
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        let mut wanted = self.wanted.lock().await;
        let gone = self.topics_of(from);
        let mut left = wanted.clone();
        left.retain(|topic, _| !gone.contains(topic));
        self.settle(&left).await?;
        self.events.reading.retain(&left.keys().cloned().collect());
        *wanted = left;
        Ok(())
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<Arc<str>>>) -> Result<(), TransportError> {
        while let Some(parcel) = parcels.front() {
            match self.hand_over(parcel) {
                Ok(()) => {}
                Err(KafkaError::MessageProduction(Code::QueueFull)) => {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(KafkaError::MessageProduction(Code::UnknownTopic)) => {
                    self.events.nobody_there(&parcel.topic, parcel.token);
                }
                Err(why) => self.events.refused(&parcel.topic, parcel.token, why.to_string()),
            }
            parcels.pop_front();
        }
        Ok(())
    }

    fn publish_now(&self, parcel: Parcel<Arc<str>>) -> Option<Parcel<Arc<str>>> {
        self.hand_over(&parcel).is_err().then_some(parcel)
    }

    async fn lost(&self) -> TransportError {
        TransportError::Lost(self.events.lost().await)
    }

    async fn deaf(&self) -> TransportError {
        tokio::select! {
            why = self.events.taken() => why,
            topic = self.unread() => {
                let why = "nothing is read from it any more: was it deleted?";
                self.events.report(&topic, why.to_owned());
                TransportError::refused(topic, why)
            }
        }
    }

    async fn close(&self) -> Result<(), TransportError> {
        let failed = self.events.failed();
        let limit = self.options.limits.close_timeout;
        let list = async {
            sleep(limit / 8).await;
            self.list(limit).await
        };
        tokio::select! {
            biased;
            () = self.written() => {}
            ((), listed) = async { tokio::join!(sleep(limit / 2), list) } => {
                if listed.is_ok() {
                    self.handles.purge_queued();
                }
                self.written().await;
            }
        }
        // Leave the group, so that nobody waits for this member.
        self.handles.consumer().unsubscribe();
        match self.events.failed() - failed {
            0 => Ok(()),
            count => Err(TransportError::Publish(format!("{count} frames were given up").into())),
        }
    }
}

/// Asks the servers whether they are there, whenever that is in doubt.
async fn ask(handles: Arc<Handles>, events: Arc<Events>, options: Arc<KafkaOptions>, topic: String) {
    loop {
        events.doubted().await;
        let (handles, told, options) = (Arc::clone(&handles), Arc::clone(&events), Arc::clone(&options));
        let topic = topic.clone();
        let asked = aside(move |stop| {
            let until = Instant::now() + options.limits.connect_timeout;
            ServerTopics { handles: &handles, events: &told, options: &options, stop }
                .are_there(&topic, until)
        });
        if let Err(why) = asked.await {
            events.lose(format!("no server of Kafka is left: {why}"));
        }
    }
}

/// Takes everything that has arrived, at once and all the time, because librdkafka does its own work only
/// while it is polled. The inboxes decide what is too much for the node.
async fn read(handles: Arc<Handles>, names: Topics, control: Pump, data: Pump) {
    let mut arrived = handles.consumer().stream().ready_chunks(BATCH);
    let (mut to_control, mut to_data) = (Vec::new(), Vec::new());
    while let Some(batch) = arrived.next().await {
        // Errors are reported elsewhere, with a reason.
        for message in batch.into_iter().flatten() {
            let Some(kind) = names.kind_of(message.topic()) else { continue };
            let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
            let lane = if kind.is_control() { &mut to_control } else { &mut to_data };
            lane.push(Frame::new(kind, payload));
        }
        for (pump, frames) in [(&control, &mut to_control), (&data, &mut to_data)] {
            if !frames.is_empty() {
                pump.push(frames.drain(..));
            }
        }
        // Give the node's readers a turn, no matter how much has arrived.
        tokio::task::yield_now().await;
    }
}
