use ligand::service;

struct Trips;

struct TripError;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn locate(&self) -> Result<u64, TripError> {
        Err(TripError)
    }
}

fn main() {}
