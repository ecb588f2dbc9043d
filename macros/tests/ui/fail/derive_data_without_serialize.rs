struct Point;

#[derive(thiserror::Error, ligand::ActionError)]
enum TripError {
    #[error("no driver")]
    NoDriver { near: Point },
}

impl std::fmt::Debug for TripError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TripError")
    }
}

fn main() {}
