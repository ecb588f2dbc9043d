use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[event("user.created")]
    async fn on_user(&self, id: u64) -> Result<u64> {
        Ok(id)
    }
}

fn main() {}
