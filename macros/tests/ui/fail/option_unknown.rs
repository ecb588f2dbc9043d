use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(cache = true)]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
