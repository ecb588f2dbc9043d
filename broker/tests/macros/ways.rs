//! The three ways a call can take to the same handler. Whatever a service does, it does on each of them.

use ligand::transport::memory::Network;
use ligand::{IntoServiceDef, ServiceBroker};

/// How parameters and result travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Within one process, moved.
    Moved,
    /// Within one process, through the codec.
    Encoded,
    /// From another node.
    Remote,
}

/// Runs `check` once per way, with a broker that calls the service on that way.
pub(crate) async fn on_every_way<S, C>(service: impl Fn() -> S, check: C)
where
    S: IntoServiceDef,
    C: AsyncFn(&ServiceBroker, Way),
{
    for way in [Way::Moved, Way::Encoded, Way::Remote] {
        on_way(way, service(), async |broker| check(broker, way).await).await;
    }
}

/// Runs `check` with a broker that calls the service on this way.
pub(crate) async fn on_way(way: Way, service: impl IntoServiceDef, check: impl AsyncFnOnce(&ServiceBroker)) {
    let service = service.into_service_def();
    let name = service.full_name();
    let network = Network::new();
    let mut callee =
        ServiceBroker::builder().node_id("callee").through_codec(way == Way::Encoded).service(service);
    if way == Way::Remote {
        callee = callee.transporter(network.transporter());
    }
    let callee = callee.build().expect("the callee's options fit");
    callee.start().await.expect("the callee starts");
    if way != Way::Remote {
        check(&callee).await;
    } else {
        let caller = node(&network, "caller").await;
        caller.wait_for(&[&*name]).await.expect("the caller sees the service");
        check(&caller).await;
        caller.stop().await.expect("the caller stops");
    }
    callee.stop().await.expect("the callee stops");
}

/// A started node without services.
pub(crate) async fn node(network: &Network, id: &str) -> ServiceBroker {
    let node = ServiceBroker::builder().node_id(id).transporter(network.transporter()).build();
    let node = node.expect("the node's options fit");
    node.start().await.expect("the node starts");
    node
}

/// A started broker with one service and no network.
pub(crate) async fn alone(service: impl IntoServiceDef) -> ServiceBroker {
    let broker = ServiceBroker::builder().service(service).build().expect("the service fits");
    broker.start().await.expect("the broker starts");
    broker
}
