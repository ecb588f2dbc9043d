use ligand::{Params, Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn add(&self, Params(all): Params<Vec<u64>>, extra: u64) -> Result<u64> {
        Ok(all.into_iter().sum::<u64>() + extra)
    }
}

fn main() {}
