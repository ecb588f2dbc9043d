//! One typed action and one event handler. The lines without `meet` are the same as in the README.

mod meet;

use ligand::{Result, ServiceBroker, service};
use serde_json::json;

struct Greeter;
#[service(name = "greeter")]
impl Greeter {
    #[action]
    async fn hello(&self, name: String) -> Result<String> {
        Ok(format!("Hello {name}!"))
    }
    #[event("user.created")]
    async fn welcome(&self, name: String) -> Result<()> {
        println!("Welcome {name}!");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = ServiceBroker::builder().from_env().service(Greeter).build()?;
    broker.start().await?;
    broker.emit("user.created", json!({ "name": "Ada" })).await?;
    println!("{}", GreeterClient::new(&broker).hello("Bob".into()).await?);
    meet::others(&broker).await?;
    Ok(broker.stop().await?)
}
