use ligand::{Result, service};

struct Trips;

struct Settings;

#[service(name = "trips", settings = Settings)]
impl Trips {
    #[action]
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
