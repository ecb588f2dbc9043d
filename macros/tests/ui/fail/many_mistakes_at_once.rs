use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(timeout = "soon")]
    async fn get(&mut self, id: &str) -> Result<String> {
        Ok(id.to_owned())
    }

    #[event("user created")]
    async fn on_user(&self, id: u64) -> Result<u64> {
        Ok(id)
    }

    #[action]
    async fn sound(&self) -> Result<u64> {
        Ok(1)
    }
}

async fn the_sound_action_is_still_there(broker: &ligand::ServiceBroker) -> Result<u64> {
    TripsClient::new(broker).sound().await
}

fn main() {}
