use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(blocking)]
    async fn hash(&self, password: String) -> Result<String> {
        Ok(password)
    }
}

fn main() {}
