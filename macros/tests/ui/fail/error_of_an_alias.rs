use ligand::service;

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn load(&self, path: String) -> std::io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }
}

fn main() {}
