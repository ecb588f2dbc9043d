use ligand::service;

#[service(name = "trips")]
struct Trips;

fn main() {}
