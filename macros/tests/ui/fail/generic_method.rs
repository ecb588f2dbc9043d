use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn store<T: Send>(&self, item: T) -> Result<()> {
        drop(item);
        Ok(())
    }
}

fn main() {}
