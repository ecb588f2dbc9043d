use ligand::{Result, service};

struct Trips;

#[derive(serde::Deserialize)]
struct Point;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn locate(&self) -> Result<Point> {
        Ok(Point)
    }
}

fn main() {}
