use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(timeout = "0s")]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }

    #[action(timeout = 0)]
    async fn list(&self) -> Result<u64> {
        Ok(0)
    }
}

fn main() {}
