//! A package that knows ligand by another name, built by cargo as a user's is: generated code finds ligand where it
//! was told to and needs no other dependency, and the schema file is written, kept and compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const SOURCE: &str = r#"
//! A service of another workspace.

/// A bell.
#[derive(Debug)]
pub struct Bell;

#[bus::service(name = "bell", version = 1, crate = bus, client(vis = pub))]
impl Bell {
    /// Rings.
    #[action]
    pub async fn ring(&self, times: u32, tune: Option<String>) -> Result<u32, RingError> {
        drop(tune);
        if times == 0 { Err(RingError::Silent { since: 3 }) } else { Ok(times) }
    }

    /// Hears of rope.
    #[event("rope.*")]
    pub async fn on_rope(&self, length: f64) -> bus::Result<()> {
        let _ = length;
        Ok(())
    }
}

/// What went wrong.
#[derive(Debug, bus::ActionError)]
#[action_error(crate = bus)]
pub enum RingError {
    /// No sound.
    Silent {
        /// In seconds.
        since: u32,
    },
}

impl std::fmt::Display for RingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("silent")
    }
}

/// The bell, from afar.
#[bus::client(name = "bell", version = 1, crate = bus)]
pub trait Ringer {
    /// Rings.
    async fn ring(times: u32) -> u32;
}

/// Rings twice.
pub async fn ring_twice(broker: &bus::ServiceBroker) -> bus::Result<u32> {
    let once = BellClient::new(broker).ring(1, None).await?;
    Ok(once + RingerClient::new(broker).ring(1).await?)
}
"#;

const SCHEMA: &str = r#"{
  "service": "v1.bell",
  "actions": {
    "ring": {
      "params": {
        "times": { "type": "u32" },
        "tune": { "type": "String", "optional": true }
      },
      "returns": "u32"
    }
  },
  "events": {
    "rope.*": {
      "params": {
        "length": { "type": "f64" }
      }
    }
  }
}
"#;

#[test]
fn a_package_that_renames_ligand_builds_and_keeps_its_schema_file() {
    let package = package();
    let schema = package.join("schemas/v1.bell.json");

    let missing = check(&package, Some("check"));
    assert!(!missing.status.success());
    assert!(text(&missing).contains("schemas/v1.bell.json does not exist yet"), "{}", text(&missing));

    let written = check(&package, Some("write"));
    assert!(written.status.success(), "{}", text(&written));
    assert_eq!(fs::read_to_string(&schema).expect("the macro wrote it"), SCHEMA);

    let same = check(&package, Some("check"));
    assert!(same.status.success(), "{}", text(&same));

    let changed = SOURCE.replace("times: u32, tune", "count: u32, tune").replace("times == 0", "count == 0");
    fs::write(package.join("src/lib.rs"), changed.replace("Ok(times)", "Ok(count)"))
        .expect("the package is ours");
    let differs = check(&package, Some("check"));
    assert!(!differs.status.success());
    for part in [
        "the interface of `v1.bell` differs from schemas/v1.bell.json",
        "- actions.ring.params.times.type: u32",
        "+ actions.ring.params.count.type: u32",
        "LIGAND_SCHEMA=write cargo check",
        "src/lib.rs:8:",
    ] {
        assert!(text(&differs).contains(part), "{part}: {}", text(&differs));
    }

    let unasked = check(&package, None);
    assert!(unasked.status.success(), "{}", text(&unasked));
    assert_eq!(fs::read_to_string(&schema).expect("nobody removed it"), SCHEMA);
}

/// A package outside the workspace. What it depends on stays built from one run to the next.
fn package() -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("renamed");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = format!(
        "[package]\nname = \"renamed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         bus = {{ package = \"ligand\", path = {:?}, default-features = false, features = [\"macros\"] }}\n",
        workspace.join("broker")
    );
    let _ = fs::remove_dir_all(package.join("schemas"));
    fs::create_dir_all(package.join("src")).expect("cargo's folder for tests can be written");
    fs::write(package.join("Cargo.toml"), manifest).expect("the package is ours");
    fs::write(package.join("src/lib.rs"), SOURCE).expect("the package is ours");
    // The versions that are downloaded already.
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).expect("the workspace is locked");
    package
}

fn check(package: &Path, schema: Option<&str>) -> Output {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["check", "--offline", "--quiet", "--color", "never"]).current_dir(package);
    cargo.env("CARGO_TARGET_DIR", package.join("target")).env_remove("LIGAND_SCHEMA");
    cargo.envs(schema.map(|mode| ("LIGAND_SCHEMA", mode)));
    cargo.output().expect("whoever compiled this test has cargo")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
