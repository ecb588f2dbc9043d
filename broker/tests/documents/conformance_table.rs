//! `docs/conformance.md` says which test shows what. Here it is made sure that these tests exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Statements in the table.
const STATEMENTS: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The last column of each numbered row.
fn rows(document: &str) -> BTreeMap<usize, &str> {
    let mut rows = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<_> = line.trim_matches('|').splitn(3, " | ").map(str::trim).collect();
        if let [number, _, shown] = cells[..]
            && let Ok(number) = number.parse()
        {
            assert!(rows.insert(number, shown).is_none(), "statement {number} stands there twice");
        }
    }
    rows
}

/// What stands between backticks.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether a file defines a function, or has it made by a macro from `name on "VARIABLE"`.
fn defines(source: &str, name: &str) -> bool {
    [format!("fn {name}("), format!("fn {name}<"), format!(" {name} on \"")]
        .iter()
        .any(|made| source.contains(made))
}

/// Whether the matrix has such a column.
fn is_column(name: &str) -> bool {
    let made = format!("feature!(\"{name}\",");
    let mut folders = vec![root().join("broker/tests/matrix")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if fs::read_to_string(&path).is_ok_and(|source| source.contains(&made)) => return true,
                false => {}
            }
        }
    }
    false
}

/// What is wrong with the references in one cell; how many there are, if nothing is.
fn check(shown: &str) -> Result<usize, String> {
    let (mut file, mut found) = (None, 0);
    for span in spans(shown) {
        if span.starts_with('$') {
            continue;
        }
        if let Some(column) = span.strip_prefix("matrix: ") {
            found += usize::from(is_column(column));
            if !is_column(column) {
                return Err(format!("the matrix has no column `{column}`"));
            }
        } else if span.ends_with(".rs") {
            let source = read(Path::new(span)).ok_or_else(|| format!("there is no file `{span}`"))?;
            file = Some((span, source));
        } else if span.starts_with("scripts/") {
            found += 1;
            read(Path::new(span)).ok_or_else(|| format!("there is no script `{span}`"))?;
        } else {
            let (path, source) = file.as_ref().ok_or_else(|| format!("`{span}` is in no file"))?;
            if !defines(source, span) {
                return Err(format!("`{path}` has no function `{span}`"));
            }
            found += 1;
        }
    }
    Ok(found)
}

#[test]
fn every_statement_names_tests_that_exist_or_says_that_it_is_planned() {
    let document = read(Path::new("docs/conformance.md")).unwrap();
    let rows = rows(&document);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=STATEMENTS).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (number, shown) in rows {
        match check(shown) {
            Ok(0) if !shown.contains("**planned**") => wrong.push(format!("{number}: names no test")),
            Ok(_) => {}
            Err(why) => wrong.push(format!("{number}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "docs/conformance.md:\n{}", wrong.join("\n"));
}

#[test]
fn names_that_lead_nowhere_are_found() {
    assert_eq!(
        check("`broker/tests/documents/conformance_table.rs` `names_that_lead_nowhere_are_found`"),
        Ok(1)
    );
    assert_eq!(check("**planned**"), Ok(0));
    for wrong in [
        "`broker/tests/none.rs`",
        "`broker/tests/documents/conformance_table.rs` `no_such_test`",
        "`matrix: none`",
        "`homeless`",
    ] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}
