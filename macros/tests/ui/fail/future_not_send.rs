use std::rc::Rc;

use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn count(&self) -> Result<usize> {
        let shared = Rc::new(1);
        tokio::task::yield_now().await;
        Ok(Rc::strong_count(&shared))
    }
}

fn main() {}
