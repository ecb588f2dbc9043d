use ligand::{Payload, Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(raw)]
    async fn follow(&self, payload: Payload) -> Result<usize> {
        drop(payload);
        Ok(0)
    }
}

fn main() {}
