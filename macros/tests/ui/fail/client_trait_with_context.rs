use ligand::{Context, client};

#[client(name = "mail")]
trait Mail {
    async fn send(ctx: Context, to: String) -> u64;
}

fn main() {}
