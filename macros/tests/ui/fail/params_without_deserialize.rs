use ligand::{Params, Result, service};

struct Trips;

#[derive(serde::Serialize)]
struct Point;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn request(&self, Params(near): Params<Point>) -> Result<()> {
        let _ = near;
        Ok(())
    }
}

fn main() {}
