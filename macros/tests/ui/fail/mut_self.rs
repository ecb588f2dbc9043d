use ligand::{Result, service};

struct Trips {
    calls: u64,
}

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn count(&mut self) -> Result<u64> {
        self.calls += 1;
        Ok(self.calls)
    }
}

fn main() {}
