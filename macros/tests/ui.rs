//! What the compiler says about wrong code, case by case, and that right code compiles.
//!
//! The messages are partly the compiler's, so they are compared under one version of it. Run under another, the
//! suite says so and does nothing, or fails where `REQUIRE_UI_SUITE` is set. `TEST_UI_ONLY=two_contexts` runs one case, and `TRYBUILD=overwrite` accepts
//! what the compiler says now.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The compiler whose messages the `.stderr` files hold.
const COMPILER: &str = "1.95.";

#[test]
fn wrong_code_is_explained_and_right_code_compiles() {
    let only = env::var("TEST_UI_ONLY").ok();
    let (fail, pass) = (cases("fail", only.as_deref()), cases("pass", only.as_deref()));
    if let Some(only) = &only {
        assert!(fail.len() + pass.len() == 1, "no case is called `{only}`: see macros/tests/ui");
    }
    let compiler = compiler();
    if !compiler.starts_with(COMPILER) {
        let required = env::var_os("REQUIRE_UI_SUITE").is_some_and(|value| !value.is_empty());
        assert!(
            !required,
            "REQUIRE_UI_SUITE is set, but the messages in macros/tests/ui are those of rustc {COMPILER}x and this \
             is rustc {compiler}: install that compiler, or renew them with `TRYBUILD=overwrite` and name the new \
             one in macros/tests/ui.rs"
        );
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "not run: macros/tests/ui ({} cases), whose messages are those of rustc {COMPILER}x, under rustc {compiler}",
            fail.len() + pass.len(),
        );
        return;
    }
    let suite = trybuild::TestCases::new();
    fail.iter().for_each(|case| suite.compile_fail(case));
    pass.iter().for_each(|case| suite.pass(case));
}

/// The cases in one folder, all or the one of this name.
fn cases(folder: &str, only: Option<&str>) -> Vec<PathBuf> {
    let folder = Path::new("tests/ui").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder of the cases is part of the package");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder of the cases can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| only.is_none_or(|only| path.file_stem().is_some_and(|stem| stem == only)))
        .collect();
    cases.sort();
    cases
}

/// The version of the compiler that cargo uses here, as in `1.95.0`.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("whoever compiled this test has rustc");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(1).unwrap_or("of unknown version").to_owned()
}
