#[derive(Debug, ligand::ActionError)]
enum TripError {
    Gone,
}

fn main() {}
