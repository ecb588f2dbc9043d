//! Which partitions are read, and from where.
//!
//! By itself, librdkafka would ask for the end of a partition at some later time, and begin there. It would
//! lose what was written since the node announced itself. So every partition is read from an offset that was
//! asked for before. A partition may be taken away and given back, because the coordinator moved, or because
//! the group forgot this member. It is then read from the frame after the last one that was read.

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeSet, HashMap};
use tokio::sync::watch;

use crate::locks::{Mutex, MutexGuard};

/// A topic and the number of a partition.
pub(super) type Partition = (String, i32);

#[derive(Debug)]
pub(super) struct Reading {
    /// The offset of the next frame of each partition, where it is known.
    next: Mutex<HashMap<Partition, i64>>,
    assigned: watch::Sender<BTreeSet<Partition>>,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self { next: Mutex::default(), assigned: watch::channel(BTreeSet::new()).0 }
    }

    /// Watches the partitions that are being read.
    pub(super) fn assigned(&self) -> watch::Receiver<BTreeSet<Partition>> {
        self.assigned.subscribe()
    }

    /// Sets the offsets at which reading begins.
    pub(super) fn begin(&self, at: impl IntoIterator<Item = (Partition, i64)>) {
        self.next().extend(at);
    }

    /// Forgets all topics except these.
    pub(super) fn retain(&self, topics: &BTreeSet<String>) {
        self.next().retain(|(topic, _), _| topics.contains(topic));
    }

    /// Follows a decision of the group. librdkafka calls this while it is polled.
    pub(super) fn rebalance<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        what: RDKafkaRespErr,
        list: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.place(list)?;
            if cooperative {
                consumer.incremental_assign(list)?
            } else {
                consumer.assign(list)?
            }
            self.assigned.send_modify(|assigned| assigned.extend(partitions(list)));
        } else {
            if let Ok(positions) = consumer.position() {
                self.reached(&positions);
            }
            // Remove them first, so that nobody thinks that they are read when they are not.
            self.assigned.send_modify(|assigned| {
                for partition in partitions(list) {
                    assigned.remove(&partition);
                }
            });
            if cooperative { consumer.incremental_unassign(list)? } else { consumer.unassign()? }
        }
        Ok(())
    }

    /// Writes the next offsets into a list.
    fn place(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        let next = self.next();
        for mut element in list.elements() {
            if let Some(offset) = next.get(&(element.topic().to_owned(), element.partition())) {
                element.set_offset(Offset::Offset(*offset))?;
            }
        }
        Ok(())
    }

    /// Notes how far reading has come. Partitions of which nothing was read keep their first offset.
    fn reached(&self, positions: &TopicPartitionList) {
        let mut next = self.next();
        for element in positions.elements() {
            if let Offset::Offset(offset) = element.offset() {
                next.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
    }

    fn next(&self) -> MutexGuard<'_, HashMap<Partition, i64>> {
        self.next.lock()
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(partitions: &[(&str, Offset)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, offset) in partitions {
            list.add_partition_offset(topic, 0, *offset).unwrap();
        }
        list
    }

    #[test]
    fn a_partition_is_read_from_where_it_was_left_or_else_from_where_it_began() {
        let reading = Reading::new();
        reading.begin([(("a".to_owned(), 0), 10), (("b".to_owned(), 0), 20)]);
        reading.reached(&list(&[("a", Offset::Offset(13)), ("b", Offset::Invalid)]));
        let given = list(&[("a", Offset::Invalid), ("b", Offset::Invalid), ("c", Offset::Invalid)]);
        reading.place(&given).unwrap();
        let offsets: Vec<_> = given.elements().iter().map(|element| element.offset()).collect();
        assert_eq!(offsets, [Offset::Offset(13), Offset::Offset(20), Offset::Invalid]);
    }

    #[test]
    fn a_topic_that_is_not_wanted_any_more_is_forgotten() {
        let reading = Reading::new();
        reading.begin([(("a".to_owned(), 0), 10)]);
        reading.retain(&BTreeSet::new());
        let given = list(&[("a", Offset::Invalid)]);
        reading.place(&given).unwrap();
        assert_eq!(given.elements()[0].offset(), Offset::Invalid);
    }
}
