use ligand::{Result, service};

struct Trips;

#[derive(serde::Serialize)]
struct Point;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn locate(&self) -> Result<Point> {
        Ok(Point)
    }
}

fn main() {}
