use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
#[service(name = "journeys")]
impl Trips {
    #[action]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
