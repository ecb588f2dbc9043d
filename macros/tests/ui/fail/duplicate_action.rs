use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }

    #[action(name = "get")]
    async fn fetch(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
