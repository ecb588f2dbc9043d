//! Refusals of the message server while the connection is up.

use ligand_transporters::TransportError;
use ligand_transporters::locks::Mutex;
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Transit;
use crate::broker::ServiceBroker;
use crate::discovery::Bucket;

/// How many topics are remembered, so that each is logged once.
const TOPICS: usize = 256;
/// How many `$transporter.error` events are raised per second. Every call may go to a refused topic.
const EVENTS: u32 = 10;

/// What has been reported already.
#[derive(Debug)]
pub(super) struct TransporterErrors(Mutex<Reported>);

#[derive(Debug)]
struct Reported {
    topics: HashSet<String>,
    events: Bucket,
}

impl Default for TransporterErrors {
    fn default() -> Self {
        let events = Bucket::new(EVENTS, Duration::from_secs(1) / EVENTS);
        Self(Mutex::new(Reported { topics: HashSet::new(), events }))
    }
}

impl TransporterErrors {
    /// Whether to log a refusal, and whether to raise an event for it.
    fn tell(&self, topic: &str, now: Instant) -> (bool, bool) {
        let mut reported = self.0.lock();
        let log = reported.topics.len() < TOPICS && reported.topics.insert(topic.to_owned());
        (log, reported.events.take(now))
    }
}

impl Transit {
    /// The server refused a publish or a subscription after it had been accepted here.
    pub(super) fn refused(&self, why: &TransportError) {
        let topic = why.topic().unwrap_or_default();
        let (log, raise) = self.uplink.errors.tell(topic, tokio::time::Instant::now().into_std());
        if log {
            tracing::error!(topic, error = %why, "refused by the message server, said once per topic");
        }
        if raise && let Some(broker) = self.broker() {
            transporter_error(&broker, why);
        }
    }
}

/// Raises `$transporter.error` in Node's shape, with the topic added.
fn transporter_error(broker: &ServiceBroker, why: &TransportError) {
    let data = json!({
        "error": { "message": why.to_string() },
        "topic": why.topic(),
        "module": "transporter",
        "type": "clientError",
    });
    broker.publish_local("$transporter.error", data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_logged_once_and_a_storm_raises_ten_events_a_second() {
        let (errors, now) = (TransporterErrors::default(), Instant::now());
        assert_eq!(errors.tell("MOL.REQ.a", now), (true, true));
        let again: Vec<_> = (0..99).map(|_| errors.tell("MOL.REQ.a", now)).collect();
        assert!(again.iter().all(|(log, _)| !log));
        assert_eq!(again.iter().filter(|(_, raise)| *raise).count(), 9);
        assert_eq!(errors.tell("MOL.REQ.b", now + Duration::from_secs(1)), (true, true));
        let logged = (0..2 * TOPICS).filter(|n| errors.tell(&n.to_string(), now).0).count();
        assert_eq!(logged, TOPICS - 2);
    }
}
