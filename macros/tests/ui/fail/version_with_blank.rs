use ligand::{Result, service};

struct Trips;

#[service(name = "trips", version = "1 beta")]
impl Trips {
    #[action]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
