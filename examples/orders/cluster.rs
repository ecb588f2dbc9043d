//! The nodes: one for each service, and one for the shop, which only calls.

use ligand::{IntoServiceDef, ServiceBroker};
use std::time::Duration;

use super::inventory::Inventory;
use super::money::Cents;
use super::orders::Orders;
use super::output::Output;
use super::payments::Payments;
use super::products::Products;
use super::users::Users;

/// Any error during the start of a cluster, with its text.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The conditions under which the services start.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) transporter: String,
    /// Pieces of each product in the warehouse.
    pub(crate) pieces: u32,
    pub(crate) card_limit: Cents,
    /// The number of orders for which the book has room.
    pub(crate) room: usize,
    /// How long the bank takes for a charge.
    pub(crate) bank: Duration,
    /// How long it takes to process an order.
    pub(crate) processing: Duration,
}

/// All nodes, started.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) shop: ServiceBroker,
    pub(crate) orders: ServiceBroker,
    /// The nodes that the orders depend on.
    others: Vec<ServiceBroker>,
}

impl Cluster {
    /// Builds and starts all nodes. A failure stops those that had started.
    pub(crate) async fn start(world: &World, output: &Output) -> Result<Self, BoxError> {
        let node = |id: &str| ServiceBroker::builder().node_id(id).transporter(&world.transporter);
        let with = |id: &str, service: &dyn Fn() -> ligand::ServiceDef| node(id).service(service()).build();
        let cluster = Self {
            shop: node("shop").build()?,
            orders: with("orders", &|| {
                Orders::new(world.room, world.processing, output.clone()).into_service_def()
            })?,
            others: vec![
                with("users", &|| Users::new().into_service_def())?,
                with("products", &|| Products::new().into_service_def())?,
                with("inventory", &|| Inventory::new(world.pieces, output.clone()).into_service_def())?,
                with("payments", &|| {
                    Payments::new(world.card_limit, world.bank, output.clone()).into_service_def()
                })?,
            ],
        };
        match cluster.start_all().await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                // The error of the start is reported. An error of this stop would add nothing.
                let _ = cluster.stop().await;
                Err(error)
            }
        }
    }

    async fn start_all(&self) -> Result<(), BoxError> {
        let others = async {
            for node in &self.others {
                node.start().await?;
            }
            Ok(())
        };
        tokio::try_join!(self.shop.start(), self.orders.start(), others)?;
        self.shop.wait_for(&["orders", "inventory", "payments"]).await?;
        Ok(())
    }

    /// Stops the order service first, because it needs the others to undo steps.
    pub(crate) async fn stop(&self) -> Result<(), BoxError> {
        self.orders.stop().await?;
        for node in &self.others {
            node.stop().await?;
        }
        Ok(self.shop.stop().await?)
    }
}
