use std::borrow::Cow;

use ligand::{Result, service};

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn find(&self, text: Cow<'_, str>) -> Result<usize> {
        Ok(text.len())
    }
}

fn main() {}
