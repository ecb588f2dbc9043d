use ligand::service;

#[derive(Debug)]
enum StockError {
    SoldOut,
}

struct Stock;

#[service(name = "stock", error = StockError)]
impl Stock {
    #[action]
    async fn left(&self) -> ligand::Result<u32> {
        Ok(3)
    }
}

#[ligand::client(name = "stock", error = StockError)]
trait Shelf {
    async fn left() -> u32;
}

fn main() {
    let _ = StockError::SoldOut;
}
