//! Brokers with the services of their roles.

use std::path::{Path, PathBuf};

use ligand::{BrokerBuilder, ServiceBroker};
use sqlx::SqlitePool;
use tokio::task::JoinSet;

use crate::Failure;
use crate::bus::Bus;
use crate::database;
use crate::notification::{NotificationStore, Notifications};
use crate::payment::{PaymentStore, Payments};
use crate::ride::{RideStore, Rides};
use crate::role::{Role, SERVICES};
use crate::user::{UserStore, Users};

/// A node of this example's cluster, without services.
pub(crate) fn builder(bus: &Bus, id: String) -> BrokerBuilder {
    ServiceBroker::builder().namespace("ride-sharing").node_id(id).transporter(bus.url())
}

/// A service with its database open. Each replica takes a clone.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    role: Role,
    database: SqlitePool,
}

impl Service {
    /// Opens the database of a role other than the app.
    pub(crate) async fn open(role: Role, directory: Option<&Path>) -> Result<Self, Failure> {
        let tables = match role {
            Role::Users => UserStore::TABLES,
            Role::Rides => RideStore::TABLES,
            Role::Payments => PaymentStore::TABLES,
            Role::Notifications => NotificationStore::TABLES,
            Role::App => "",
        };
        Ok(Self { role, database: database::open(directory, role.name(), tables).await? })
    }

    /// Adds the service to a node.
    pub(crate) fn host(self, node: BrokerBuilder) -> BrokerBuilder {
        match self.role {
            Role::Users => node.service(Users::new(UserStore(self.database))),
            Role::Rides => node.service(Rides::new(RideStore(self.database))),
            Role::Payments => node.service(Payments::new(PaymentStore(self.database))),
            Role::Notifications => node.service(Notifications::new(NotificationStore(self.database))),
            Role::App => node,
        }
    }
}

/// All service nodes, in this process.
#[derive(Debug)]
pub(crate) struct Nodes(Vec<ServiceBroker>);

impl Nodes {
    /// Starts all of them at the same time. If one fails, the others are stopped.
    pub(crate) async fn start(
        bus: &Bus,
        replicas: u16,
        directory: Option<&PathBuf>,
    ) -> Result<Self, Failure> {
        let mut nodes = Vec::new();
        for role in SERVICES {
            let service = Service::open(role, directory.map(PathBuf::as_path)).await?;
            for replica in 1..=replicas {
                nodes.push(service.clone().host(builder(bus, role.node_id(replica))).build()?);
            }
        }
        let nodes = Self(nodes);
        let started = nodes.each(|node| async move { node.start().await.map_err(Failure::from) }).await;
        match started {
            Ok(()) => Ok(nodes),
            Err(error) => {
                // The error of the start is reported. An error of this stop would add nothing.
                let _ = nodes.stop().await;
                Err(error)
            }
        }
    }

    /// Stops all of them at the same time. Each finishes what it is handling.
    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.each(|node| async move { node.stop().await.map_err(Failure::from) }).await
    }

    /// Does something to all of them. Returns the first failure, if there is one, after all are done.
    async fn each<Fut>(&self, act: impl Fn(ServiceBroker) -> Fut) -> Result<(), Failure>
    where
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let acts: JoinSet<_> = self.0.iter().cloned().map(act).collect();
        acts.join_all().await.into_iter().collect()
    }
}
