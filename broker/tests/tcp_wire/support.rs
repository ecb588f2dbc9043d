//! Brokers on loopback, and what they see of each other.

use ligand::transport::tcp::Tcp;
use ligand::{
    BrokerBuilder, Error, LocalEvent, LocalEvents, Payload, Reply, ServiceBroker, ServiceDef, TransitStats,
};
use serde_json::{Value, json};
use std::time::Duration;
use tests_support::{is, until, within};

/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// TCP on loopback, on a free port, without discovery.
pub(crate) fn loopback() -> Tcp {
    let tcp = Tcp::new().bind([127, 0, 0, 1]).hostname("127.0.0.1").udp_discovery(false);
    tcp.gossip_period(Duration::from_secs(1))
}

/// A broker that stops without ado.
pub(crate) fn builder(id: &str, tcp: Tcp) -> BrokerBuilder {
    ServiceBroker::builder().node_id(id).transporter(tcp).request_timeout(LIMIT).configure(|config| {
        config.registry.stop_delay = Duration::from_millis(1);
        config.transit.service_changed_debounce_time = Duration::from_millis(5);
    })
}

/// The same without threads of its own: on a runtime of one thread, a [`Log`](tests_support::log::Log) of that thread is all it says.
pub(crate) fn on_this_thread(id: &str, tcp: Tcp) -> BrokerBuilder {
    builder(id, tcp).configure(|config| config.control.thread = false)
}

/// A running broker that echoes.
pub(crate) async fn started(id: &str, tcp: Tcp) -> ServiceBroker {
    let broker = builder(id, tcp).service(echo()).build().unwrap();
    broker.start().await.unwrap();
    broker
}

/// `echo.echo` answers with what it was given.
pub(crate) fn echo() -> ServiceDef {
    ServiceDef::builder("echo")
        .action_raw("echo", |_cx, body: Payload| async move { Ok::<_, Error>(Reply::from(body)) })
        .build()
}

/// What a node says about a node: a row of `$node.list`.
pub(crate) async fn row(broker: &ServiceBroker, id: &str) -> Option<Value> {
    let list: Value = broker.call("$node.list", json!({})).node(broker.node_id()).await.unwrap();
    list.as_array().unwrap().iter().find(|row| row["id"] == id).cloned()
}

/// Whether a node sees another one as available.
pub(crate) async fn sees(broker: &ServiceBroker, id: &str) -> bool {
    row(broker, id).await.is_some_and(|row| row["available"] == true)
}

/// Whether a node knows that another one offers `echo`; that may come later than the node itself.
pub(crate) async fn echoes(broker: &ServiceBroker, id: &str) -> bool {
    let params = json!({ "grouping": false, "onlyAvailable": true });
    let list: Value = broker.call("$node.services", params).node(broker.node_id()).await.unwrap();
    list.as_array().unwrap().iter().any(|row| row["name"] == "echo" && row["nodeID"] == id)
}

/// Waits until a node sees another one as available.
pub(crate) async fn until_it_sees(broker: &ServiceBroker, id: &str) {
    until(&format!("{} sees {id}", broker.node_id()), async || sees(broker, id).await).await;
}

/// Waits until a node knows that another one offers `echo`.
pub(crate) async fn until_it_echoes(broker: &ServiceBroker, id: &str) {
    until(&format!("{} knows the service of {id}", broker.node_id()), async || echoes(broker, id).await)
        .await;
}

/// Waits until what a node counts fulfils a condition.
pub(crate) async fn until_counted(node: &ServiceBroker, holds: impl Fn(&TransitStats) -> bool) {
    until("all of it is counted", async || is(node.stats(), &holds)).await;
}

/// The port on which a node listens.
pub(crate) async fn port_of(broker: &ServiceBroker) -> u16 {
    let row = row(broker, broker.node_id().as_str()).await.unwrap();
    u16::try_from(row["port"].as_u64().unwrap()).unwrap()
}

/// The next event of a broker's own life.
pub(crate) async fn event(events: &mut LocalEvents) -> LocalEvent {
    within("the next event comes", events.recv()).await.unwrap()
}

/// Stops brokers that are expected to stop well.
pub(crate) async fn stop<const N: usize>(brokers: [&ServiceBroker; N]) {
    for stopped in futures_util::future::join_all(brokers.map(ServiceBroker::stop)).await {
        stopped.unwrap();
    }
}
