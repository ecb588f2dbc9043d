//! A contract in one package and services that keep it, or do not, in another, built by cargo as users' are. The two
//! know ligand by different names.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const CONTRACTS: &str = r#"
//! The contracts of a shop.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, private_interfaces)]

/// What the stock does.
pub mod stock {
    use ligand::{ActionError, client};
    use ligand::__private::serde;

    /// Pieces that are held.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(crate = "ligand::__private::serde")]
    pub struct Reservation {
        /// How many.
        pub pieces: u32,
    }

    /// What goes wrong.
    #[derive(Debug, ActionError)]
    pub enum StockError {
        /// None left.
        SoldOut,
    }

    impl std::fmt::Display for StockError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("sold out")
        }
    }

    /// The stock.
    #[client(name = "stock", version = 2, error = StockError)]
    pub trait Stock {
        /// Holds pieces.
        async fn reserve(sku: String, pieces: u32) -> Reservation;
        /// How many are left.
        async fn left(sku: String) -> u32;
    }
}

/// A contract for this package alone.
pub(crate) mod inner {
    #[ligand::client(name = "inner")]
    pub(crate) trait Inner {
        async fn ping();
    }
}

/// Calls it.
pub async fn ping(broker: &ligand::ServiceBroker) -> ligand::Result<()> {
    inner::InnerClient::new(broker).ping().await
}
"#;

/// Uses nothing of the contract's but the contract.
const SERVICE: &str = r#"
//! A stock.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused)]

/// Holds nothing.
#[derive(Debug)]
pub struct Warehouse;

#[bus::service(name = "stock", version = 2, crate = bus, client = false, implements = contracts::stock::Stock)]
impl Warehouse {
    /// Holds pieces.
    #[action]
    pub async fn reserve(
        &self,
        sku: String,
        pieces: u32,
    ) -> Result<contracts::stock::Reservation, contracts::stock::StockError> {
        if sku.is_empty() { Err(contracts::stock::StockError::SoldOut) } else { Ok(contracts::stock::Reservation { pieces }) }
    }

    /// How many are left.
    #[action]
    pub async fn left(&self, sku: String) -> bus::Result<u32> {
        Ok(sku.len() as u32)
    }
}

/// Calls it.
pub async fn left(broker: bus::ServiceBroker) -> bus::Result<u32> {
    let stock: contracts::stock::StockClient<'static> = contracts::stock::StockClient::new(broker);
    Ok(stock.left("chair".to_owned()).await?)
}
"#;

#[test]
fn a_contract_of_another_crate_is_kept_and_what_is_not_kept_is_named() {
    let packages = packages();
    let kept = check(&packages, SERVICE);
    assert!(kept.status.success(), "{}", text(&kept));

    for (from, to, expected) in [
        (
            "pub async fn left(&self, sku: String)",
            "pub async fn remaining(&self, sku: String)",
            &[
                "the contract `Stock` asks for the action `left(sku: String) -> Result<u32, StockError>`; this service \
                 has none of that name",
                "src/lib.rs:10:6",
            ][..],
        ),
        (
            "        pieces: u32,\n    )",
            "        amount: u32,\n    )",
            &[
                "the contract `Stock` gives the action `reserve` the argument `pieces: u32`; here it has none of that \
                 name",
                "no argument `amount`",
            ][..],
        ),
        (
            "        pieces: u32,\n    )",
            "        pieces: u64,\n    )",
            &[
                "the argument `pieces` of the action `reserve` is `u32` in the contract `Stock` and `u64` here",
            ][..],
        ),
        (
            "-> bus::Result<u32> {\n        Ok(sku.len() as u32)",
            "-> bus::Result<u64> {\n        Ok(sku.len() as u64)",
            &["the result of the action `left` is `u32` in the contract `Stock` and `u64` here"][..],
        ),
        (
            "version = 2",
            "version = 3",
            &["the contract `Stock` is of the service `v2.stock`; this one is called `v3.stock`"][..],
        ),
    ] {
        assert!(SERVICE.contains(from), "{from}");
        let broken = SERVICE.replace(from, to).replace("Reservation { pieces }", "Reservation { pieces: 1 }");
        let refused = check(&packages, &broken);
        assert!(!refused.status.success(), "{to}");
        for part in expected {
            assert!(text(&refused).contains(part), "{part}: {}", text(&refused));
        }
    }
}

/// Two packages outside the workspace. What they depend on stays built from one run to the next.
fn packages() -> PathBuf {
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract_crates");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = |name: &str, source: &str, dependencies: String| {
        let at = packages.join(name);
        fs::create_dir_all(at.join("src")).expect("cargo's folder for tests can be written");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{dependencies}"
        );
        fs::write(at.join("Cargo.toml"), manifest).expect("the package is ours");
        fs::write(at.join("src/lib.rs"), source).expect("the package is ours");
        // The versions that are downloaded already.
        fs::copy(workspace.join("Cargo.lock"), at.join("Cargo.lock")).expect("the workspace is locked");
    };
    let features = "default-features = false, features = [\"macros\"]";
    let ligand = workspace.join("broker");
    package("contracts", CONTRACTS, format!("ligand = {{ path = {ligand:?}, {features} }}\n"));
    package(
        "service",
        SERVICE,
        format!(
            "bus = {{ package = \"ligand\", path = {ligand:?}, {features} }}\ncontracts = {{ path = \"../contracts\" }}\n"
        ),
    );
    packages
}

fn check(packages: &Path, source: &str) -> Output {
    let package = packages.join("service");
    fs::write(package.join("src/lib.rs"), source).expect("the package is ours");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["check", "--offline", "--quiet", "--color", "never"]).current_dir(package);
    cargo.env("CARGO_TARGET_DIR", packages.join("target")).env_remove("LIGAND_SCHEMA");
    cargo.output().expect("whoever compiled this test has cargo")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
