use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn find(&self, (x, y): (f64, f64)) -> Result<f64> {
        Ok(x + y)
    }
}

fn main() {}
