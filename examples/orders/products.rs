//! The products and their prices.

use ligand::{ActionError, service};
use serde::{Deserialize, Serialize};

use super::money::Cents;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) price: Cents,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum ProductError {
    #[error("there is no product {id}")]
    #[action_error(code = 404, type = "PRODUCT_NOT_FOUND")]
    NotFound { id: u32 },
}

#[derive(Debug)]
pub(crate) struct Products(Vec<Product>);

impl Products {
    pub(crate) fn new() -> Self {
        let items = [("Keyboard", 8_990), ("Mouse", 2_450), ("Monitor", 31_900)];
        let products = (1..).zip(items);
        Self(
            products
                .map(|(id, (name, price))| Product { id, name: name.to_owned(), price: Cents(price) })
                .collect(),
        )
    }
}

#[service(name = "products")]
impl Products {
    #[action]
    async fn get(&self, id: u32) -> Result<Product, ProductError> {
        self.0.iter().find(|product| product.id == id).cloned().ok_or(ProductError::NotFound { id })
    }
}
