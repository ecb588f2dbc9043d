use ligand::{Result, service};

struct Trips;

#[derive(serde::Serialize)]
struct Point;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn request(&self, near: Point) -> Result<()> {
        let _ = near;
        Ok(())
    }
}

fn main() {}
