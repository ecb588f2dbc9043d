//! The warehouse: reserves pieces for an order until they are released.

use ligand::{ActionError, service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ledger::{Ledger, Standing};
use super::output::Output;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) product_id: u32,
    /// The number of reserved pieces.
    pub(crate) amount: u32,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum InventoryError {
    #[error("{wanted} of product {product} are wanted, {left} are left")]
    #[action_error(code = 409)]
    OutOfStock { product: u32, wanted: u32, left: u32 },
    #[error("the reservation for {order} was released before")]
    #[action_error(code = 409)]
    Released { order: String },
    #[error("the warehouse takes no more reservations")]
    #[action_error(code = 503)]
    NoRoom,
}

#[derive(Debug)]
pub(crate) struct Inventory {
    state: Mutex<State>,
    output: Output,
}

#[derive(Debug)]
struct State {
    stock: BTreeMap<u32, u32>,
    /// By order.
    reservations: Ledger<Reservation>,
    made: u32,
}

impl Inventory {
    /// A warehouse with this number of pieces of each product.
    pub(crate) fn new(pieces: u32, output: Output) -> Self {
        let stock = (1..=3).map(|product| (product, pieces)).collect();
        Self { state: Mutex::new(State { stock, reservations: Ledger::new(), made: 0 }), output }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[service(name = "inventory", error = InventoryError)]
impl Inventory {
    /// Reserves pieces for an order. A repeated call for the same order returns the same reservation.
    #[action(rest = "POST /reserve", rename(order_id = "orderId", product_id = "productId"))]
    async fn reserve(
        &self,
        order_id: String,
        product_id: u32,
        quantity: u32,
    ) -> Result<Reservation, InventoryError> {
        let reserved = self.lock().reserve(&order_id, product_id, quantity);
        match &reserved {
            Ok(held) => self.output.line(
                "inventory",
                format_args!("holds {} of product {product_id} for {order_id}", held.amount),
            ),
            Err(error) => self.output.line("inventory", error),
        }
        reserved
    }

    /// Releases the pieces that are reserved for an order, if there are any. Returns their number. It may be
    /// repeated.
    #[action(rename(order_id = "orderId"))]
    async fn release(&self, order_id: String) -> ligand::Result<u32> {
        let pieces = self.lock().release(&order_id);
        self.output.line("inventory", format_args!("released {pieces} for {order_id}"));
        Ok(pieces)
    }

    /// The number of pieces that can be reserved.
    #[action(rename(product_id = "productId"))]
    async fn stock(&self, product_id: u32) -> ligand::Result<u32> {
        Ok(self.lock().left(product_id))
    }
}

impl State {
    fn left(&self, product: u32) -> u32 {
        self.stock.get(&product).copied().unwrap_or_default()
    }

    fn reserve(&mut self, order: &str, product: u32, wanted: u32) -> Result<Reservation, InventoryError> {
        match self.reservations.standing(order) {
            Standing::New => {}
            Standing::Done(reservation) => return Ok(reservation),
            Standing::Undone => return Err(InventoryError::Released { order: order.to_owned() }),
            Standing::Full => return Err(InventoryError::NoRoom),
        }
        let left = self.left(product);
        let Some(rest) = left.checked_sub(wanted) else {
            return Err(InventoryError::OutOfStock { product, wanted, left });
        };
        self.stock.insert(product, rest);
        self.made += 1;
        let reservation =
            Reservation { id: format!("reservation-{}", self.made), product_id: product, amount: wanted };
        self.reservations.done(order.to_owned(), reservation.clone());
        Ok(reservation)
    }

    fn release(&mut self, order: &str) -> u32 {
        let Some(held) = self.reservations.undo(order.to_owned()) else { return 0 };
        *self.stock.entry(held.product_id).or_default() += held.amount;
        held.amount
    }
}
