use ligand::service;

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn ping(&self) {}
}

fn main() {}
