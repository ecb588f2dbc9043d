#[derive(Debug, thiserror::Error, ligand::ActionError)]
enum TripError {
    #[error("gone")]
    Gone,
    #[error("missing")]
    #[action_error(type = "GONE")]
    Missing,
}

fn main() {}
