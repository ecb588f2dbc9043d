//! What is tried on every set, in this order: the last two take nodes away.

mod calls;
mod events;
mod leaving;
mod registry;

use futures_util::future::LocalBoxFuture;
use ligand::NodeId;

use crate::checks::Checks;
use crate::nodes::Nodes;

/// A column of the matrix.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a mut Nodes, &'a mut Checks) -> LocalBoxFuture<'a, ()>,
}

macro_rules! feature {
    ($name:literal, $run:path) => {
        Feature { name: $name, run: |nodes, checks| Box::pin($run(nodes, checks)) }
    };
}

pub(crate) const ALL: [Feature; 10] = [
    feature!("call", calls::call),
    feature!("error", calls::error),
    feature!("meta", calls::meta),
    feature!("emit", events::emit),
    feature!("broadcast", events::broadcast),
    feature!("ping", calls::ping),
    feature!("registry", registry::registry),
    feature!("service change", registry::service_change),
    feature!("leave", leaving::leave),
    feature!("crash", leaving::crash),
];

fn id(name: &str) -> NodeId {
    NodeId::new(name).expect("a valid name")
}
