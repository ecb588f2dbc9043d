use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[started]
    async fn open(&self, path: String) -> Result<()> {
        drop(path);
        Ok(())
    }
}

fn main() {}
