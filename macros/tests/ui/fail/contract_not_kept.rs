use ligand::{ActionError, Params, Result, service};

mod terms {
    use ligand::{ActionError, client};

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Cart {
        items: Vec<String>,
    }

    #[derive(Debug, thiserror::Error, ActionError)]
    pub(crate) enum StockError {
        #[error("sold out")]
        SoldOut,
    }

    #[client(name = "stock", version = 2, error = StockError)]
    pub(crate) trait Stock {
        async fn reserve(sku: String, pieces: u32) -> u32;
        async fn put(sku: String, pieces: u32) -> u32;
        async fn import(#[params] cart: Cart) -> usize;
        async fn export(#[params] cart: Cart) -> usize;
        async fn find(text: String) -> Vec<String>;
        async fn clear() -> u32;
        async fn close();
    }
}

#[derive(Debug, thiserror::Error, ActionError)]
enum ShelfError {
    #[error("full")]
    Full,
}

struct Warehouse;

#[service(name = "stock", implements = terms::Stock)]
impl Warehouse {
    #[action]
    async fn reserv(&self, sku: String, pieces: u32) -> Result<u32> {
        let _ = sku;
        Ok(pieces)
    }

    #[action]
    async fn put(&self, sku: String, piece: u32, shelf: u32, note: Option<String>) -> Result<u32> {
        let _ = (sku, note);
        Ok(piece + shelf)
    }

    #[action]
    async fn import(&self, items: Vec<String>) -> Result<usize> {
        Ok(items.len())
    }

    #[action]
    async fn find(&self, params: Params<terms::Cart>) -> Result<Vec<String>> {
        let _ = params;
        Ok(Vec::new())
    }

    #[cfg(any())]
    #[action]
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Has all the names.
struct Shelf;

#[service(name = "stock", version = 2, error = ShelfError, client = false, implements = terms::Stock)]
impl Shelf {
    #[action]
    async fn reserve(&self, sku: u64, pieces: Option<u32>) -> Result<u64> {
        Ok(sku + u64::from(pieces.unwrap_or_default()))
    }

    #[action]
    async fn put(&self, sku: String, pieces: u32) -> Result<u32, ShelfError> {
        let _ = (sku, pieces);
        Err(ShelfError::Full)
    }

    #[action]
    async fn import(&self, cart: Params<Vec<String>>) -> Result<usize> {
        Ok(cart.0.len())
    }

    #[action]
    async fn export(&self, cart: Params<terms::Cart>) -> Result<usize> {
        let _ = cart;
        Ok(0)
    }

    #[action]
    async fn find(&self, text: String) -> Result<Vec<String>> {
        Ok(vec![text])
    }

    #[action]
    async fn clear(&self) -> Result<u32> {
        Ok(0)
    }

    #[action]
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
