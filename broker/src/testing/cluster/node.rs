//! A node of a cluster, and how to start it again.

use ligand_transporters::memory::Network;

use super::super::test_broker::{on_this_runtime, stop_in_background};
use crate::broker::{BrokerBuilder, ServiceBroker};
use crate::service::ServiceDef;

/// A step in the configuration of a node.
pub(super) type Setup = Box<dyn Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync>;

/// See the module.
pub(super) struct ClusterNode {
    name: String,
    services: Vec<ServiceDef>,
    setup: Setup,
    broker: Option<ServiceBroker>,
    /// Whether it has crashed or was stopped.
    pub(super) gone: bool,
}

impl ClusterNode {
    pub(super) fn new(name: &str, services: Vec<ServiceDef>, setup: Setup) -> Self {
        Self { name: name.to_owned(), services, setup, broker: None, gone: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn broker(&self) -> &ServiceBroker {
        match &self.broker {
            Some(broker) => broker,
            None => panic!("the cluster has not been started"),
        }
    }

    /// Starts the node, like a process of its own.
    pub(super) async fn start(&mut self, network: &Network, setup: &[Setup]) {
        let builder =
            on_this_runtime(ServiceBroker::builder()).node_id(&self.name).transporter(network.transporter());
        let builder = setup.iter().fold(builder, |builder, step| step(builder));
        let builder =
            self.services.iter().fold((self.setup)(builder), |builder, def| builder.service(def.clone()));
        let broker =
            builder.build().unwrap_or_else(|error| panic!("node `{}` cannot be built: {error}", self.name));
        if let Err(error) = broker.start().await {
            panic!("node `{}` did not start: {error}", self.name);
        }
        self.broker = Some(broker);
        self.gone = false;
    }

    /// Drops the handlers that wait. Other tasks cannot be reached from here.
    pub(super) fn crash(&mut self) {
        self.gone = true;
        if let Some(broker) = &self.broker {
            broker.shared().cut.cancel();
        }
    }

    /// Stops the rest of a crashed node. It is cut off, so no other node notices.
    pub(super) async fn bury(&mut self) {
        if let Some(broker) = self.broker.take() {
            // A crashed process could not report errors either.
            let _ = broker.stop().await;
        }
    }
}

impl Drop for ClusterNode {
    fn drop(&mut self) {
        if let Some(broker) = &self.broker {
            stop_in_background(broker);
        }
    }
}
