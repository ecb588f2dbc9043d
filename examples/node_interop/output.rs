//! Lines on standard output. Each begins with the node that prints it.

use ligand::ServiceBroker;
use std::fmt;

pub(crate) fn say(broker: &ServiceBroker, what: fmt::Arguments<'_>) {
    println!("{:<5} {what}", broker.node_id().as_str());
}
