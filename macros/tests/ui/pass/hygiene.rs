//! Names of the user's that generated code might also want.

#![deny(warnings)]
#![allow(non_snake_case, dead_code)]

use ligand::service;

type String = std::string::String;
enum Option {}
enum Some {}
struct Vec;
trait Clone {}
trait Into {}
trait From {}
mod core {}
mod std_ {}
fn Ok() {}

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn request(&self, ctx: u64, params: u64, this: u64, __builder: u64) -> ligand::Result<u64> {
        ligand::Result::Ok(ctx + params + this + __builder)
    }

    #[action]
    async fn r#match(&self, r#type: String) -> ligand::Result<String> {
        ligand::Result::Ok(r#type)
    }

    #[action]
    async fn CALL(&self, caller: u64) -> ligand::Result<u64> {
        ligand::Result::Ok(caller)
    }
}

#[derive(Debug, ligand::ActionError)]
enum Failure {
    Gone { error: String, data: u64, inner: bool, code: u8 },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("gone")
    }
}

fn main() {
    let error = ligand::Error::from(Failure::Gone { error: "x".into(), data: 1, inner: true, code: 2 });
    assert!(error.downcast::<Failure>().is_some());
}
