use ligand::{Payload, Reply, Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action(raw)]
    async fn follow(&self, payload: Payload, id: u64) -> Result<Reply> {
        let _ = id;
        Ok(payload.into())
    }
}

fn main() {}
