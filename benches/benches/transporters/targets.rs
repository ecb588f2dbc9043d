//! Targets for ligand's rate on a message server, relative to that of others. A missed target does not fail
//! the run: the table shows it.

use crate::load::Load;
use crate::row::{Row, Way};
use crate::subject::bus::{Bus, Part};

const KIB: usize = 1024;

/// The lowest ratio to this subject of the row. `None` if there is no target.
pub(crate) fn least(row: &Row, part: Part) -> Option<f64> {
    let Way::Bus(bus) = row.way else { return None };
    let (by_hand, js) = match (bus, row.load) {
        (_, Load::Events { .. }) => (0.4, 4.0),
        (Bus::Nats, Load::Calls { size, .. }) if size > KIB => (0.6, 3.0),
        (Bus::Nats, Load::Calls { concurrency: 1, .. }) => (1.0, 2.0),
        (Bus::Nats, _) => (0.9, 2.5),
        (Bus::Redis, _) => (0.75, 4.0),
        (Bus::Mqtt, _) => (0.9, 1.3),
        (Bus::Amqp, _) => (0.8, 2.0),
        (Bus::Kafka, Load::Calls { concurrency: 1, .. }) => (0.9, 1.5),
        (Bus::Kafka, Load::Calls { concurrency: 64, .. }) => (0.8, 7.0),
        (Bus::Kafka, _) => (0.8, f64::NAN),
    };
    let least = match part {
        Part::Ligand => f64::NAN,
        Part::ByHand => by_hand,
        Part::Js => js,
        Part::JsDefault => 100.0,
        Part::Micro => 1.0,
    };
    (!least.is_nan()).then_some(least)
}
