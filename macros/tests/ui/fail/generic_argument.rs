use ligand::{Result, service};

struct Trips<S>(S);

#[service(name = "trips")]
impl<S: Send + Sync + 'static> Trips<S> {
    #[action]
    async fn store(&self, item: S) -> Result<()> {
        drop(item);
        Ok(())
    }
}

fn main() {}
