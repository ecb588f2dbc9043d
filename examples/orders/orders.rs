//! The order service: looks up the user and the product, runs the saga, answers, and processes the order
//! later.

use ligand::{ActionError, Context, ServiceCx, service};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::inventory::InventoryClient;
use super::money::Cents;
use super::output::Output;
use super::payments::PaymentsClient;
use super::products::{Product, ProductsClient};
use super::saga::{Compensation, Saga};
use super::underway::{Interrupted, Underway};
use super::users::{User, UsersClient};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) order_id: String,
    pub(crate) user_id: u32,
    pub(crate) product_id: u32,
    pub(crate) quantity: u32,
    pub(crate) total_price: Cents,
    /// The names as they were when the order was placed.
    pub(crate) user: String,
    pub(crate) product: String,
    pub(crate) reservation_id: String,
    pub(crate) payment_id: String,
    pub(crate) processed: bool,
}

/// The answer to the customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) message: String,
    #[serde(flatten)]
    pub(crate) order: Order,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum OrderError {
    #[error(
        "an order needs a quantity of at least 1, and a total that can be counted: {quantity} pieces for {price} each"
    )]
    #[action_error(code = 422)]
    BadQuantity { quantity: u32, price: Cents },
    #[error("the order book is full: it has room for {room} orders")]
    #[action_error(code = 503)]
    BookFull { room: usize },
    #[error("there is no order {id}")]
    #[action_error(code = 404, type = "ORDER_NOT_FOUND")]
    NotFound { id: String },
    #[error(transparent)]
    #[action_error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error(transparent)]
    #[action_error(transparent)]
    Call(#[from] ligand::Error),
}

#[derive(Debug)]
pub(crate) struct Orders {
    book: Mutex<BTreeMap<String, Order>>,
    /// The number of orders for which the book has room.
    room: usize,
    next: AtomicU32,
    /// How long it takes to process an order that was placed.
    processing: Duration,
    sagas: Underway,
    output: Output,
}

impl Orders {
    pub(crate) fn new(room: usize, processing: Duration, output: Output) -> Self {
        let sagas = Underway::new(output.clone());
        Self { book: Mutex::default(), room, next: AtomicU32::new(1), processing, sagas, output }
    }
}

/// An order that is being placed.
#[derive(Debug)]
struct Draft {
    order_id: String,
    user: User,
    product: Product,
    quantity: u32,
    total: Cents,
}

impl Orders {
    fn draft(&self, user: User, product: Product, quantity: u32) -> Result<Draft, OrderError> {
        let total = product.price.times(quantity).filter(|_| quantity > 0);
        let total = total.ok_or(OrderError::BadQuantity { quantity, price: product.price })?;
        // Numbers are sufficient while this service and those that remember its orders start together. If
        // they do not, use a UUID.
        let order_id = format!("order-{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.output.line(
            "orders",
            format_args!("{order_id}: {quantity} x {} for {}, {total}", product.name, user.name),
        );
        Ok(Draft { order_id, user, product, quantity, total })
    }

    /// The steps of the saga. The future may be dropped at any `await`. Then the steps so far are undone.
    async fn steps(&self, ctx: &Context, saga: &Saga, draft: Draft) -> Result<Order, OrderError> {
        let Draft { order_id, user, product, quantity, total } = draft;

        let release = Compensation::new("inventory.release", json!({ "orderId": order_id }));
        let reserve = InventoryClient::new(ctx).reserve(order_id.clone(), product.id, quantity);
        let reservation = saga.step(release, reserve).await?;

        let refund = Compensation::new("payments.refund", json!({ "key": order_id }));
        let charge = PaymentsClient::new(ctx).charge(order_id.clone(), user.id, total);
        let payment = saga.step(refund, charge).await?;

        let order = Order {
            order_id,
            user_id: user.id,
            product_id: product.id,
            quantity,
            total_price: total,
            user: user.name,
            product: product.name,
            reservation_id: reservation.id,
            payment_id: payment.id,
            processed: false,
        };
        self.enter(order.clone())?;
        // Handing over an event does not wait, so nothing can happen between the order and its event.
        if let Err(error) = ctx.emit("orderPlaced", json!({ "orderId": order.order_id })).await {
            tracing::warn!(order = order.order_id, error = %error, "not everybody learned of the order");
        }
        Ok(order)
    }

    fn enter(&self, order: Order) -> Result<(), OrderError> {
        let mut book = self.book();
        if book.len() >= self.room {
            self.output.line("orders", format_args!("no room in the book for {}", order.order_id));
            return Err(OrderError::BookFull { room: self.room });
        }
        self.output.line("orders", format_args!("{} is in the book", order.order_id));
        book.insert(order.order_id.clone(), order);
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<String, Order>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[service(name = "orders", depends_on = ["users", "products", "inventory", "payments"])]
impl Orders {
    /// Places an order: all of it, or nothing.
    #[action(timeout = "10s", rest = "POST /orders", rename(user_id = "userId", product_id = "productId"))]
    async fn place(
        self: Arc<Self>,
        ctx: Context,
        user_id: u32,
        product_id: u32,
        quantity: u32,
    ) -> Result<Placed, OrderError> {
        let (user, product) = tokio::try_join!(
            UsersClient::new(&ctx).get(user_id),
            ProductsClient::new(&ctx).get(product_id),
        )?;
        let draft = self.draft(user, product, quantity)?;
        let (id, service) = (draft.order_id.clone(), Arc::clone(&self));
        let order = self.sagas.run(id, |saga| async move { service.steps(&ctx, &saga, draft).await }).await?;
        Ok(Placed { message: "Order placed successfully".to_owned(), order })
    }

    #[action(rename(order_id = "orderId"))]
    async fn get(&self, order_id: String) -> Result<Order, OrderError> {
        self.book().get(&order_id).cloned().ok_or(OrderError::NotFound { id: order_id })
    }

    /// Continues after the customer has received the answer.
    #[event("orderPlaced", rename(order_id = "orderId"))]
    async fn process(&self, order_id: String) -> ligand::Result<()> {
        self.output.line("orders", format_args!("{order_id} is being processed"));
        tokio::time::sleep(self.processing).await;
        if let Some(order) = self.book().get_mut(&order_id) {
            order.processed = true;
            self.output.line("orders", format_args!("{order_id} is processed"));
        }
        Ok(())
    }

    #[started]
    async fn open(&self, cx: ServiceCx) -> ligand::Result<()> {
        self.sagas.open(cx);
        Ok(())
    }

    /// The broker waits for running actions before it stops the service, so this event tells them about the
    /// stop.
    #[event("$broker.stopping")]
    async fn hurry(&self) -> ligand::Result<()> {
        self.sagas.hurry();
        Ok(())
    }

    #[stopped]
    async fn close(&self) -> ligand::Result<()> {
        self.sagas.settle().await
    }
}
