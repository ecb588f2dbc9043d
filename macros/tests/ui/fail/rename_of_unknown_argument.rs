use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(rename(ryder = "riderId"))]
    async fn request(&self, rider: u64) -> Result<u64> {
        Ok(rider)
    }
}

fn main() {}
