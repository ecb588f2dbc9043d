#[derive(ligand::ActionError)]
union Failure {
    code: u32,
    flags: u32,
}

fn main() {}
