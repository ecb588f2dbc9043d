use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn find(&self, text: &str) -> Result<usize> {
        Ok(text.len())
    }
}

fn main() {}
