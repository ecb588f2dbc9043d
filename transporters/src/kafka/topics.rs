//! The topics of a node: which ones are missing, whether they have leaders, and where they end.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

use super::events::Events;
use super::handles::{Handles, Stop};
use super::reading::Partition;
use super::{KafkaOptions, settings};
use crate::TransportError;

/// The time to wait for the leaders of new topics, as in Node.
const LEADERS: Duration = Duration::from_secs(10);
/// The extra time for the last check. "There is no leader yet" is an answer, and no silence.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// The first pause between two checks. It doubles up to Node's pause.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The time for the first attempt to ask librdkafka for something. It is short, so that the work can be
/// stopped. It doubles too, because a server may be far away.
const FIRST_SLICE: Duration = Duration::from_millis(250);

/// Work for a session, on a thread that may block.
pub(super) struct Topics<'a> {
    pub(super) handles: &'a Handles,
    pub(super) events: &'a Events,
    pub(super) options: &'a KafkaOptions,
    pub(super) stop: &'a Stop,
}

impl Topics<'_> {
    /// Creates the topics that are missing, waits until each partition has a leader, and returns where each
    /// partition ends. Whatever is written from now on comes after that.
    pub(super) fn prepare(&self, topics: &[String]) -> Result<BTreeMap<Partition, i64>, TransportError> {
        let until = Instant::now() + LEADERS;
        let listed = self.metadata(None, until)?;
        let mut partitions = BTreeMap::new();
        let (mut missing, mut leaderless) = (Vec::new(), Vec::new());
        for topic in topics {
            match listed.topics().iter().find(|known| known.name() == topic) {
                Some(known) => match partitions_of(known)? {
                    Some(count) => _ = partitions.insert(topic.clone(), count),
                    // The topic exists. Creating it would need a permission that is not necessary.
                    None => leaderless.push(topic.as_str()),
                },
                None => missing.push(topic.as_str()),
            }
        }
        if !missing.is_empty() {
            self.create(&missing, until)?;
        }
        for topic in missing.into_iter().chain(leaderless) {
            partitions.insert(topic.to_owned(), self.led(topic, until)?);
        }
        self.ends(&partitions)
    }

    /// Returns what the server says about a topic, or about all topics.
    pub(super) fn metadata(&self, topic: Option<&str>, until: Instant) -> Result<Metadata, TransportError> {
        let mut slice = FIRST_SLICE;
        loop {
            let now = whole(slice.min(until.saturating_duration_since(Instant::now())));
            // Not through the consumer: a server answers in turn, and its answers to fetches take their time.
            match self.handles.producer().client().fetch_metadata(topic, now) {
                Ok(metadata) => {
                    self.events.answered();
                    return Ok(metadata);
                }
                Err(why) => {
                    self.go_on()?;
                    if now.is_zero() {
                        let why = self.events.trouble().unwrap_or_else(|| why.to_string());
                        return Err(TransportError::Lost(format!("the servers do not list topics: {why}")));
                    }
                }
            }
            // Pause, because some refusals come at once.
            sleep(FIRST_PAUSE);
            slice = slice.saturating_mul(2);
        }
    }

    /// Checks whether a server answers, when none is known to have failed. If one fails in the meantime, that
    /// is enough of an answer.
    pub(super) fn are_there(&self, topic: &str, until: Instant) -> Result<(), TransportError> {
        loop {
            let slice = until.min(Instant::now() + FIRST_SLICE);
            let Err(why) = self.metadata(Some(topic), slice) else { return Ok(()) };
            self.go_on()?;
            if slice == until || self.events.trouble().is_some() {
                return Err(why);
            }
        }
    }

    /// Fails if there is no reason to continue.
    fn go_on(&self) -> Result<(), TransportError> {
        if self.stop.is_set() || self.events.is_lost() {
            Err(TransportError::Lost("the servers are gone".to_owned()))
        } else {
            Ok(())
        }
    }

    /// Creates topics. It is not an error if one already exists.
    fn create(&self, topics: &[&str], until: Instant) -> Result<(), TransportError> {
        let failed = |topic: &str, why: &dyn ToString| {
            TransportError::subscribe(topic, format!("it cannot be created: {}", why.to_string()))
        };
        let all = |why: KafkaError| failed(&topics.join(", "), &why);
        let admin: AdminClient<DefaultClientContext> = settings::admin(self.options).create().map_err(all)?;
        let (partitions, replicas) =
            (self.options.topic_partitions.unwrap_or(-1), self.options.topic_replicas.unwrap_or(-1));
        let new: Vec<_> = topics
            .iter()
            .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas)))
            .collect();
        let left = until.saturating_duration_since(Instant::now());
        let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
        let results = Handle::current().block_on(admin.create_topics(&new, &options)).map_err(all)?;
        for result in results {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, why)) => return Err(failed(&topic, &why)),
            }
        }
        Ok(())
    }

    /// Waits until each partition of a topic has a leader. Returns the number of partitions.
    fn led(&self, topic: &str, until: Instant) -> Result<i32, TransportError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let metadata = self.metadata(Some(topic), until + LAST_LOOK)?;
            let known = metadata.topics().iter().find(|known| known.name() == topic);
            if let Some(count) = known.map(partitions_of).transpose()?.flatten() {
                return Ok(count);
            }
            self.go_on()?;
            if Instant::now() >= until {
                let why = format!("its partitions have no leader after {LEADERS:?}");
                return Err(TransportError::subscribe(topic, why));
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns where each partition ends. It may take a moment until the leader of a new partition is known
    /// everywhere.
    fn ends(&self, partitions: &BTreeMap<String, i32>) -> Result<BTreeMap<Partition, i64>, TransportError> {
        let until = Instant::now() + LEADERS;
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match self.look_for_ends(partitions) {
                Ok(offsets) => return Ok(offsets),
                Err(why) => why,
            };
            self.go_on()?;
            if Instant::now() >= until || why.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) {
                let topics: Vec<_> = partitions.keys().map(String::as_str).collect();
                let why = format!("the server does not say where it ends: {why}");
                return Err(TransportError::subscribe(topics.join(", "), why));
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn look_for_ends(&self, partitions: &BTreeMap<String, i32>) -> KafkaResult<BTreeMap<Partition, i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, count) in partitions {
            for partition in 0..*count {
                // The timestamp that means the end.
                list.add_partition_offset(topic, partition, Offset::End)?;
            }
        }
        let ends = self.handles.consumer().offsets_for_times(list, self.options.limits.connect_timeout)?;
        let mut offsets = BTreeMap::new();
        for element in ends.elements() {
            element.error()?;
            let Offset::Offset(offset) = element.offset() else {
                return Err(KafkaError::OffsetFetch(Code::OffsetNotAvailable));
            };
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
        Ok(offsets)
    }
}

/// Blocks this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "librdkafka's calls block as well: this thread is there for them"
)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// A time as librdkafka takes it, in whole milliseconds.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The number of partitions of a topic. `None` until all of them have a leader.
fn partitions_of(topic: &MetadataTopic) -> Result<Option<i32>, TransportError> {
    match topic.error().map(Code::from) {
        None => {}
        Some(why @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => {
            return Err(TransportError::subscribe(topic.name(), why));
        }
        Some(_) => return Ok(None),
    }
    let partitions = topic.partitions();
    let led = !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0);
    Ok(led.then(|| i32::try_from(partitions.len()).unwrap_or(i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_millisecond_is_not_asked_for_again_and_again() {
        assert_eq!(whole(Duration::from_micros(999)), Duration::ZERO);
        assert_eq!(whole(Duration::from_micros(250_999)), Duration::from_millis(250));
    }
}
