use ligand::{Result, ServiceBroker, client};

struct Receipt;

#[client(name = "mail")]
trait Mail {
    async fn send(to: String) -> Receipt;
}

async fn ask(broker: &ServiceBroker) -> Result<Receipt> {
    MailClient::new(broker).send("ada".into()).await
}

fn main() {}
