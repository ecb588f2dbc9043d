//! Which partitions are read, and from where.
//!
//! librdkafka would begin at the end of a partition when it gets round to asking where that is, and lose
//! what was written since the node said that it is there. So every partition is read from an offset that
//! was asked for before; and when one is taken away and given back (the coordinator moved, the group forgot
//! this member), from the frame after the last one that was read.

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
    /// The offset of the next frame, where it is known.
    next: Mutex<HashMap<Partition, i64>>,
    assigned: watch::Sender<BTreeSet<Partition>>,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self { next: Mutex::default(), assigned: watch::channel(BTreeSet::new()).0 }
    }

    /// The partitions that are read now.
    pub(super) fn assigned(&self) -> watch::Receiver<BTreeSet<Partition>> {
        self.assigned.subscribe()
    }

    /// Says where to begin.
    pub(super) fn begin(&self, at: impl IntoIterator<Item = (Partition, i64)>) {
        self.next().extend(at);
    }

    /// Forgets all topics but some.
    pub(super) fn retain(&self, topics: &BTreeSet<String>) {
        self.next().retain(|(topic, _), _| topics.contains(topic));
    }

    /// Does what the group says. Called by librdkafka while it is polled.
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
            // Told first: nobody must think that these are read when they are not.
            self.assigned.send_modify(|assigned| {
                for partition in partitions(list) {
                    assigned.remove(&partition);
                }
            });
            if cooperative { consumer.incremental_unassign(list)? } else { consumer.unassign()? }
        }
        Ok(())
    }

    /// Writes into a list where to read on.
    fn place(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        let next = self.next();
        for mut element in list.elements() {
            if let Some(offset) = next.get(&(element.topic().to_owned(), element.partition())) {
                element.set_offset(Offset::Offset(*offset))?;
            }
        }
        Ok(())
    }

    /// Notes how far reading has come; partitions of which nothing was read keep their beginning.
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
