//! Checks where the code names a transporter of this repository: in the places that must be written to add
//! one, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

/// Files under a folder that may hold code.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(kind) if kind == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// The code of a file, without comments and tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap().to_lowercase();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_transporter_is_named_in_its_folder_in_one_row_and_in_two_manifests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = vec![root.join("transporters/Cargo.toml"), root.join("broker/Cargo.toml")];
    for folder in ["transporters/src", "broker/src", "macros/src"] {
        sources(&root.join(folder), &mut paths);
    }
    for name in ["mqtt", "amqp", "kafka"] {
        let own = format!("transporters/src/{name}/");
        let naming: Vec<String> = paths
            .iter()
            .filter(|path| code(path).contains(name))
            .map(|path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned())
            .filter(|path| !path.starts_with(&own) && path != "transporters/src/scheme/places.rs")
            .collect();
        let mut naming: Vec<&str> = naming.iter().map(String::as_str).collect();
        naming.sort_unstable();
        assert_eq!(
            naming,
            [
                "broker/Cargo.toml",
                "transporters/Cargo.toml",
                "transporters/src/lib.rs",
                "transporters/src/scheme/mod.rs",
            ],
            "{name} is named elsewhere, too"
        );
        let lib = code(&root.join("transporters/src/lib.rs"));
        let named = lib.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
        assert_eq!(named, [format!("pub mod {name};")]);
        let table = code(&root.join("transporters/src/scheme/mod.rs"));
        assert_eq!(table.lines().filter(|line| line.contains(name)).count(), 1, "one row");
    }
}
