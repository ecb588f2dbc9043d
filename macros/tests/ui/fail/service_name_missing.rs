use ligand::{Result, service};

struct Trips;

#[service(version = 1)]
impl Trips {
    #[action]
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
