use ligand::service;

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn get(&self, id: u64) -> Option<u64> {
        Some(id)
    }
}

fn main() {}
