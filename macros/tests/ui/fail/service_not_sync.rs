use ligand::{Result, service};

struct Trips {
    calls: std::cell::Cell<u32>,
}

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn count(&self) -> Result<u32> {
        Ok(self.calls.get())
    }
}

fn main() {}
