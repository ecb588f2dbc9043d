//! Where the nodes of one test live: names, ports, and the options that let them find each other.

use ligand::config::SerializerKind;
use ligand::{BrokerBuilder, IntoServiceDef, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use tests_support::free_port;

/// Names and ports of the nodes of one test, known to each of them from the start.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    nodes: Vec<(String, u16)>,
    url: String,
    /// Seconds between the rounds of gossip.
    period: u32,
    serializer: SerializerKind,
}

impl Cluster {
    /// Finds a free port for each name.
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::gossiping_every(1, names)
    }

    /// As [`Cluster::new`], with another time between rounds of gossip, in seconds.
    pub(crate) fn gossiping_every(period: u32, names: &[&str]) -> Self {
        Self::of(period, names.iter().map(|name| ((*name).to_owned(), free_port())).collect())
    }

    /// The same as somebody sees it who was only told of these.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let told = self.nodes.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Self { serializer: self.serializer, ..Self::of(self.period, told.cloned().collect()) }
    }

    fn of(period: u32, nodes: Vec<(String, u16)>) -> Self {
        let urls = urls(&nodes).join(",");
        let url =
            format!("tcp://{urls}?udpDiscovery=false&useHostname=false&bind=127.0.0.1&gossipPeriod={period}");
        Self { nodes, url, period, serializer: SerializerKind::default() }
    }

    /// The same with another serializer than JSON.
    pub(crate) fn speaking(self, serializer: SerializerKind) -> Self {
        Self { serializer, ..self }
    }

    /// What another process was told of a cluster.
    pub(crate) fn at(url: String) -> Self {
        Self { nodes: Vec::new(), url, period: 1, serializer: SerializerKind::default() }
    }

    /// The options of a stock node.
    pub(crate) fn js_options(&self, name: &str) -> Value {
        json!({
            "nodeID": name,
            "serializer": self.serializer.as_str(),
            "transporter": {
                "type": "TCP",
                "options": { "urls": urls(&self.nodes), "udpDiscovery": false, "gossipPeriod": self.period, "useHostname": false },
            },
        })
    }

    /// The transporter of one of our nodes.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn urls(nodes: &[(String, u16)]) -> Vec<String> {
    nodes.iter().map(|(name, port)| format!("127.0.0.1:{port}/{name}")).collect()
}

/// A started broker of ours.
pub(crate) async fn rust_node(cluster: &Cluster, name: &str, services: Vec<ServiceDef>) -> ServiceBroker {
    built(cluster, name, services, |builder| builder).await
}

/// The same with more given to its builder.
pub(crate) async fn built(
    cluster: &Cluster,
    name: &str,
    services: Vec<ServiceDef>,
    more: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
) -> ServiceBroker {
    let builder = more(ServiceBroker::builder().node_id(name).transporter(cluster.url()));
    let builder = builder.serializer(cluster.serializer);
    let builder = builder.configure(|config| config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]));
    let broker =
        services.into_iter().fold(builder, |builder, service| builder.service(service.into_service_def()));
    let broker = broker.build().expect("a valid configuration");
    broker.start().await.expect("it starts");
    broker
}
