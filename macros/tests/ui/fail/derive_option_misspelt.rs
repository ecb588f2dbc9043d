#[derive(Debug, thiserror::Error, ligand::ActionError)]
enum TripError {
    #[error("gone")]
    #[action_error(code = 404, retriable)]
    Gone,
}

fn main() {}
