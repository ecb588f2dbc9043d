//! What librdkafka reports about a session, from its own threads.

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, watch};

use super::health::{Health, Verdict};
use super::reading::Reading;
use crate::TransportError;
use crate::bus::{First, Port};
use crate::locks::{Mutex, MutexGuard};

/// The number of topics that are remembered as reported. If there is one more, all are forgotten.
const REPORTED: usize = 1024;

/// The name of what is refused, if it is not a topic.
const GROUPS: &str = "consumer groups";

/// The state of a session, as far as librdkafka reports it.
#[derive(Debug)]
pub(super) struct Events {
    port: Port,
    pub(super) reading: Reading,
    /// Why the session is of no more use, once it is.
    lost: First<String>,
    /// Why this node may not read, with the topic if the reason names one.
    denied: watch::Sender<Option<(Option<String>, String)>>,
    /// The first topic, or the groups, that this node may no longer read, and why.
    taken: First<(String, String)>,
    health: Mutex<Health>,
    /// Notified if all servers are reported down and this must be checked.
    doubted: Notify,
    /// The topics that this node reads, to find them in messages.
    topics: Mutex<Vec<String>>,
    reported: Mutex<HashSet<String>>,
    /// The topics that the servers listed when the session closed.
    existing: OnceLock<HashSet<String>>,
    failed: AtomicU64,
}

impl Events {
    pub(super) fn new(port: Port) -> Self {
        Self {
            port,
            reading: Reading::new(),
            lost: First::default(),
            denied: watch::channel(None).0,
            taken: First::default(),
            health: Mutex::default(),
            doubted: Notify::new(),
            topics: Mutex::default(),
            reported: Mutex::default(),
            existing: OnceLock::new(),
            failed: AtomicU64::new(0),
        }
    }

    /// Resolves once the session is lost.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn lost(&self) -> String {
        self.lost.reason().await
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_said()
    }

    /// Marks the session as lost.
    pub(super) fn lose(&self, why: String) {
        self.lost.say(why);
    }

    /// Resolves when the servers should be asked whether they are there.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Notes that a server has answered.
    pub(super) fn answered(&self) {
        self.health().answered();
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock()
    }

    /// Resolves once this node may not read what it wants to read. `begin_reading` resets this.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn denied(&self) -> TransportError {
        let mut denied = self.denied.subscribe();
        let why = denied.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        let (topic, why) = why.unwrap_or_default();
        TransportError::subscribe(topic.unwrap_or_else(|| GROUPS.to_owned()), why)
    }

    /// Resolves once this node may no longer read something that it was allowed to read.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn taken(&self) -> TransportError {
        let (topic, why) = self.taken.reason().await;
        TransportError::refused(topic, why)
    }

    /// Sets the topics that will be read.
    pub(super) fn begin_reading(&self, topics: Vec<String>) {
        *self.topics.lock() = topics;
        // librdkafka reports only once what applies to the whole group, so that is kept.
        self.denied.send_if_modified(|denied| denied.take_if(|(topic, _)| topic.is_some()).is_some());
    }

    /// The number of frames that were given up so far.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// What went wrong last.
    pub(super) fn trouble(&self) -> Option<String> {
        self.health().trouble().map(str::to_owned)
    }

    /// Reports that a frame will not be sent, and that nothing of it was sent.
    pub(super) fn refused(&self, topic: &str, token: u64, why: impl Into<String>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.unsent(token);
        self.report(topic, why.into());
    }

    /// Reports that a frame will not be sent because nobody reads its topic. The node is not there, or not
    /// any more.
    pub(super) fn nobody_there(&self, topic: &str, token: u64) {
        tracing::debug!(topic, "a frame is for a topic that does not exist");
        self.unsent(token);
    }

    /// Sets the topics that exist. Called once, when the session closes.
    pub(super) fn exist(&self, topics: impl Iterator<Item = String>) {
        _ = self.existing.set(topics.collect());
    }

    fn is_absent(&self, topic: &str) -> bool {
        self.existing.get().is_some_and(|existing| !existing.contains(topic))
    }

    fn unsent(&self, token: u64) {
        if token != 0 {
            self.port.link().unsent(&[token]);
        }
    }

    /// Reports once per topic that the server refuses it.
    pub(super) fn report(&self, topic: &str, why: String) {
        let mut reported = self.reported.lock();
        if reported.len() >= REPORTED {
            reported.clear();
        }
        if reported.insert(topic.to_owned()) {
            drop(reported);
            self.port.refused(&TransportError::refused(topic, why));
        }
    }

    fn error(&self, code: Option<Code>, reason: &str) {
        tracing::debug!(?code, reason, "told by the client library of Kafka");
        match code {
            Some(Code::AllBrokersDown) => match self.health().all_down() {
                Verdict::Lost(why) => self.lose(format!("no server of Kafka is left: {why}")),
                Verdict::Doubtful => self.doubted.notify_one(),
            },
            Some(Code::Fatal) => self.lose(reason.to_owned()),
            Some(Code::TopicAuthorizationFailed | Code::InvalidTopic) => self.deny(reason),
            Some(
                Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::GroupMaxSizeReached
                | Code::InvalidSessionTimeout
                | Code::InconsistentGroupProtocol,
            ) => self.deny(reason),
            // A new topic may be unknown to some servers for a moment. A topic that has vanished is reported.
            Some(Code::UnknownTopicOrPartition) => {
                if let Some(topic) = self.named(reason) {
                    let read = self.reading.assigned().borrow().iter().any(|(read, _)| *read == topic);
                    if read {
                        self.report(&topic, reason.to_owned());
                    }
                }
            }
            _ => self.health().failed(reason),
        }
    }

    fn deny(&self, why: &str) {
        let topic = self.named(why);
        if self.denied.receiver_count() == 0 {
            // Nobody waits for permission to read, so a permission was taken back.
            let about = topic.as_deref().unwrap_or(GROUPS);
            self.report(about, why.to_owned());
            self.taken.say((about.to_owned(), why.to_owned()));
        }
        self.denied.send_replace(Some((topic, why.to_owned())));
    }

    /// The topic that a message of librdkafka is about. librdkafka names it only in the text.
    fn named(&self, reason: &str) -> Option<String> {
        let topics = self.topics.lock();
        // A message about `MOL.PING.ab` also contains `MOL.PING.a`, so the longest topic counts.
        topics.iter().filter(|topic| reason.contains(topic.as_str())).max_by_key(|topic| topic.len()).cloned()
    }

    /// Handles a frame that librdkafka had accepted and could not deliver.
    fn undelivered(&self, topic: &str, code: Option<Code>, token: u64) {
        match code {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => self.nobody_there(topic, token),
            // This frame was never sent. Frames in flight, or that may have arrived, have another code.
            Some(Code::PurgeQueue | Code::MessageTimedOut) if self.is_absent(topic) => {
                self.nobody_there(topic, token);
            }
            Some(Code::PurgeQueue) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.unsent(token);
            }
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => {
                self.refused(
                    topic,
                    token,
                    "the packet is larger than the server takes (its `message.max.bytes`)",
                );
            }
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidTopic
                | Code::UnknownPartition
                | Code::InvalidRecord
                | Code::PolicyViolation),
            ) => self.refused(topic, token, code.to_string()),
            code => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(topic, ?code, "a frame was given up");
            }
        }
    }
}

/// The callbacks of librdkafka's clients.
pub(super) struct EventContext(pub(super) Arc<Events>);

impl ClientContext for EventContext {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "logged by the client library of Kafka");
        // A connection that a server closes is reported only here.
        if facility == "FAIL" {
            self.0.health().failed(message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error.rdkafka_error_code(), reason);
    }
}

impl ProducerContext for EventContext {
    /// The frame's token. On a machine where the token does not fit, nobody learns that a frame was not sent.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        if let Err((error, message)) = result {
            self.0.undelivered(message.topic(), error.rdkafka_error_code(), token as u64);
        }
    }
}

impl ConsumerContext for EventContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if let Err(why) = self.0.reading.rebalance(consumer, what, list) {
            self.0.lose(format!("the partitions to read could not be changed: {why}"));
        }
    }
}
