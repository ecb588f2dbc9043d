use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn get(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

mod more {
    use super::*;

    #[service(name = "trips")]
    impl Trips {
        #[action]
        async fn list(&self) -> Result<u64> {
            Ok(0)
        }
    }
}

fn main() {}
