#[derive(Debug, thiserror::Error, ligand::ActionError)]
enum StoreError {
    #[error("the disk failed: {0}")]
    Disk(#[from] std::io::Error),
}

fn main() {}
