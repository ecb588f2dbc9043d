use ligand::{Result, ServiceBroker, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn get(&self, id: u64, verbose: Option<bool>) -> Result<String> {
        Ok(format!("{id} {verbose:?}"))
    }
}

async fn ask(broker: &ServiceBroker) -> Result<String> {
    TripsClient::new(broker).gett(7, None).await
}

fn main() {}
