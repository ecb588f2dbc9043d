use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(timeout = "3 seconds")]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
