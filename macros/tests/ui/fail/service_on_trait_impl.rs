use ligand::service;

struct Trips;

#[service(name = "trips")]
impl Default for Trips {
    fn default() -> Self {
        Self
    }
}

fn main() {}
