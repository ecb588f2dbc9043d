use ligand::client;

#[client(name = "mail")]
trait Mail {
    async fn send(to: String, text: String) -> u64 {
        0
    }
}

fn main() {}
