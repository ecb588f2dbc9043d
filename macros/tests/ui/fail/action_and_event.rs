use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    #[event("user.created")]
    async fn on_user(&self, id: u64) -> Result<()> {
        let _ = id;
        Ok(())
    }
}

fn main() {}
