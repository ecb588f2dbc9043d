use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[event(group = "mail")]
    async fn on_user(&self, id: u64) -> Result<()> {
        let _ = id;
        Ok(())
    }
}

fn main() {}
