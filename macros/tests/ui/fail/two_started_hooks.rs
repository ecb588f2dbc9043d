use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[started]
    async fn open(&self) -> Result<()> {
        Ok(())
    }

    #[started]
    async fn warm_up(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
