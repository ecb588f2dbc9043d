use ligand::{ActionError, service};

#[derive(Debug, thiserror::Error, ActionError)]
enum StockError {
    #[error("sold out")]
    SoldOut,
}

#[derive(Debug, thiserror::Error, ActionError)]
enum ShelfError {
    #[error("full")]
    Full,
}

type ShelfResult<T> = Result<T, ShelfError>;

mod shelf {
    pub(super) type Result<T> = super::ShelfResult<T>;
}

struct Stock;

#[service(name = "stock", error = StockError)]
impl Stock {
    #[action]
    async fn left(&self) -> Result<u32, StockError> {
        Err(StockError::SoldOut)
    }

    #[action]
    async fn put(&self) -> Result<u32, ShelfError> {
        Err(ShelfError::Full)
    }

    #[action]
    async fn put_all(&self) -> shelf::Result<u32> {
        Err(ShelfError::Full)
    }
}

#[ligand::client(name = "stock", error = StockError)]
trait Shelf {
    async fn put() -> Result<u32, ShelfError>;
}

fn main() {}
