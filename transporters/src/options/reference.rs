//! The tables of options in `docs/transporters.md`, made from the code.
//!
//! `UPDATE_DOCS=1 scripts/cargo test -p ligand-transporters --lib options::reference` rewrites them.

use std::fmt::Write as _;

use super::{Options, Row, names, set};
use crate::TransportError;
use crate::scheme::tables;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/transporters.md");

/// The options of a transporter.
pub(crate) struct Table {
    /// Its first scheme. The page marks the table with it.
    scheme: &'static str,
    rows: Vec<Row>,
    shared: Vec<Row>,
    set: fn(&str, &str) -> Result<(), TransportError>,
}

impl Table {
    pub(crate) fn of<O: Options + Default>(scheme: &'static str, defaults: &O) -> Self {
        let set = |name: &str, value: &str| set(&mut O::default(), name, value);
        Self { scheme, rows: defaults.own(), shared: defaults.shared(), set }
    }
}

/// The options that all servers have in common, with their defaults where a transporter has no other.
fn common() -> Vec<Row> {
    #[cfg(feature = "_bus")]
    let rows = [crate::BusLimits::default().rows(), crate::TlsOptions::default().rows()].concat();
    #[cfg(not(feature = "_bus"))]
    let rows = Vec::new();
    rows
}

fn render(rows: &[Row]) -> String {
    let mut page = "| option | default | unit of a plain number | what |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let names: Vec<String> = row.names().map(|name| format!("`{name}`")).collect();
        let meaning: Vec<&str> = row.meaning.lines().map(str::trim).collect();
        let meaning = meaning.join(" ").replace('|', "\\|");
        let cells = [&names.join(", "), &*row.value, row.unit, meaning.trim()];
        let cells = cells.map(|cell| if cell.is_empty() { String::new() } else { format!("{cell} ") });
        let _ = writeln!(page, "| {}|", cells.join("| "));
    }
    page
}

/// The page, with the text between the markers `<!-- name -->` and `<!-- /name -->` replaced.
fn between_markers(page: &str, name: &str, content: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) =
        page.split_once(&open).unwrap_or_else(|| panic!("docs/transporters.md has no line {open}"));
    let (_, after) =
        rest.split_once(&close).unwrap_or_else(|| panic!("docs/transporters.md has no line {close}"));
    format!("{before}{open}\n{content}\n{close}{after}")
}

#[test]
fn the_page_names_every_option_with_its_default_and_unit() {
    let page = std::fs::read_to_string(PAGE).expect("docs/transporters.md exists");
    let common = common();
    let mut current = page.clone();
    if !common.is_empty() {
        current = between_markers(&current, "options of all servers", &render(&common));
    }
    for Table { scheme, rows, shared, .. } in tables() {
        let own_defaults = shared.into_iter().filter(|row| !common.contains(row));
        let rows: Vec<Row> = rows.into_iter().chain(own_defaults).collect();
        current = between_markers(&current, &format!("options of {scheme}://"), &render(&rows));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &current).expect("docs/transporters.md can be written");
    } else {
        assert!(page == current, "docs/transporters.md is out of date: run this test with UPDATE_DOCS=1");
    }
}

#[test]
fn every_option_has_a_name_of_its_own_and_a_meaning() {
    for Table { scheme, rows, shared, .. } in tables() {
        let rows: Vec<Row> = rows.into_iter().chain(shared).collect();
        let mut names: Vec<&str> = rows.iter().flat_map(Row::names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{scheme} has a name twice");
        for row in rows {
            assert!(row.meaning.trim().ends_with('.'), "{scheme} does not say what `{}` is", row.name);
        }
    }
}

#[test]
fn every_option_can_be_set_by_an_environment_variable() {
    for Table { scheme, rows, shared, set } in tables() {
        for name in rows.iter().chain(&shared).flat_map(Row::names).filter(|name| names::open(name).is_none())
        {
            // As the broker reads `UDP_PORT`: words begin with a capital, and hold no other.
            let variable: Vec<String> = name.split('.').map(from_variable).collect();
            let variable = variable.join(".");
            if let Err(error) = set(&variable, "?") {
                let error = error.to_string();
                assert!(!error.contains("has no option"), "{scheme}: {name} as {variable}: {error}");
            }
        }
    }
}

fn from_variable(name: &str) -> String {
    let mut key = String::new();
    for word in names::words(name).split('_') {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !key.is_empty() => key.extend(first.to_uppercase()),
            Some(first) => key.push(first),
            None => {}
        }
        key.push_str(letters.as_str());
    }
    key
}

#[test]
fn a_plain_number_has_the_unit_that_the_page_says() {
    for Table { scheme, rows, set, .. } in tables() {
        for row in rows.iter().filter(|row| row.unit == "bytes") {
            assert!(set(row.name, "7s").is_err(), "{scheme}: {} is a number of bytes", row.name);
        }
        for row in rows.iter().filter(|row| row.unit.ends_with("seconds")) {
            assert!(set(row.name, "7s").is_ok(), "{scheme}: {} is a time", row.name);
        }
    }
}
