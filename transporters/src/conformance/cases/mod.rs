//! The cases, one file per behaviour.

mod abandoned;
mod backpressure;
mod balanced;
mod broadcast;
mod bytes;
mod cancelled;
mod close;
mod namespaces;
mod order;
mod own;
mod patterns;
mod reconnect;
mod size;
mod subscriptions;
mod unsent;
mod up;

use super::cluster::Cluster;
use super::node::Node;
use super::{Case, CaseResult, Fixture, ensure};
use crate::{Capabilities, Membership, PacketKind, Subscription};

/// All cases in the order they run.
pub(super) const ALL: &[Case] = &[
    up::CASE,
    own::CASE,
    broadcast::CASE,
    balanced::CASE,
    patterns::CASE,
    subscriptions::CASE,
    namespaces::CASE,
    bytes::CASE,
    size::CASE,
    abandoned::CASE,
    order::CASE,
    backpressure::CASE,
    unsent::CASE,
    reconnect::CASE,
    close::CASE,
    cancelled::CASE,
];

fn always(_: &Fixture, _: &Capabilities) -> bool {
    true
}

/// Nodes that connect to each other receive whatever is sent to them.
fn has_subscriptions(_: &Fixture, capabilities: &Capabilities) -> bool {
    capabilities.membership != Membership::Gossip
}

/// What a node subscribes to that takes part in calls and events.
fn data() -> [Subscription; 3] {
    [PacketKind::Event, PacketKind::Request, PacketKind::Response].map(Subscription::Own)
}
