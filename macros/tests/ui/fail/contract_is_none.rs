use ligand::{Result, client, service};

struct NoContract;

#[client(name = "bell")]
trait Bell {
    async fn ring() -> u32;
    #[cfg(unix)]
    async fn hum() -> u32;
}

struct Brass;

#[service(name = "bell", client = false, implements = NoContract)]
impl Brass {
    #[action]
    async fn ring(&self) -> Result<u32> {
        Ok(1)
    }
}

struct Tin;

#[service(name = "bell", client = false, implements = Bell)]
impl Tin {
    #[action]
    async fn ring(&self) -> Result<u32> {
        Ok(1)
    }
}

fn main() {}
