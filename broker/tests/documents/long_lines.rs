//! Prose in `README.md`, `CHANGELOG.md` and `docs/` is written in lines that can be read at once.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest line of prose, in characters.
const LONGEST: usize = 300;

/// The lines of prose, each with its number, counted from one. Left out are tables, blocks of code, and
/// definitions of links.
fn prose(document: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    document.lines().enumerate().filter_map(move |(at, line)| {
        let text = line.trim_start();
        is_code ^= text.starts_with("```");
        let is_link = text.starts_with('[') && text.contains("]: ");
        (!is_code && !is_link && !text.starts_with('|')).then_some((at + 1, line))
    })
}

/// The numbers and lengths of the lines that are too long.
fn too_long(document: &str) -> impl Iterator<Item = (usize, usize)> {
    let lengths = prose(document).map(|(number, line)| (number, line.chars().count()));
    lengths.filter(|(_, length)| *length > LONGEST)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents, by their paths from the root.
fn documents() -> Vec<String> {
    let mut found = ["README.md", "CHANGELOG.md", "broker/tests/README.md"].map(str::to_owned).to_vec();
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn no_line_of_prose_is_too_long_to_be_read_at_once() {
    let documents = documents();
    assert!(documents.len() > 12, "only {documents:?}: is the search broken?");
    let mut wrong = Vec::new();
    for path in &documents {
        let document = fs::read_to_string(root().join(path)).unwrap();
        wrong.extend(too_long(&document).map(|(line, length)| format!("{path}:{line}: {length} characters")));
    }
    let advice = format!("more than {LONGEST} characters: break the line after a sentence, or write a list");
    assert!(wrong.is_empty(), "{advice}\n{}", wrong.join("\n"));
}

#[test]
fn only_long_lines_of_prose_are_found() {
    let (long, enough) = ("ä".repeat(LONGEST + 1), "ä".repeat(LONGEST));
    let found = |document: &str| too_long(document).collect::<Vec<_>>();
    assert_eq!(found(&format!("# A\n\n{long}\n- {enough}\n")), [(3, LONGEST + 1), (4, LONGEST + 2)]);
    // Generated prose is read, too.
    assert_eq!(found(&format!("<!-- options -->\n{long}\n<!-- /options -->")), [(2, LONGEST + 1)]);
    for passed_over in [
        enough,
        format!("| {long} |"),
        format!("[name]: {long}"),
        format!("- item\n  ```text\n{long}\n  ```"),
    ] {
        assert_eq!(found(&passed_over), [], "{passed_over}");
    }
    assert_eq!(found(&format!("```\n```\n{long}")), [(3, LONGEST + 1)]);
}
