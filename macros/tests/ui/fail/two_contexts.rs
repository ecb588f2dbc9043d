use ligand::{Context, Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn get(&self, ctx: Context, id: u64, other: Context) -> Result<u64> {
        let _ = (ctx, other);
        Ok(id)
    }
}

fn main() {}
