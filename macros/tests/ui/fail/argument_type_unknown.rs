use ligand::{Result, service};

struct Trips;

#[derive(serde::Serialize, serde::Deserialize)]
struct Point;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn request(&self, near: Pont) -> Result<()> {
        let _ = near;
        Ok(())
    }
}

fn main() {}
