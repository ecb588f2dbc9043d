use ligand::client;

#[client(name = "mail")]
trait Mail {
    async fn new(to: String) -> u64;
    #[allow(non_snake_case)]
    async fn NAME() -> String;
}

fn main() {}
