use ligand::{Result, service};

struct Trips;

#[service(name = "")]
impl Trips {
    #[action]
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
