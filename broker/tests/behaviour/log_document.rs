//! What `docs/logging.md` says of spans and lines, held against the code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../docs/logging.md");
const TELEMETRY: &str = include_str!("../../src/telemetry.rs");

/// A level and the fields, by the name of a span or the message of a line.
type Table = BTreeMap<String, (String, Vec<String>)>;

/// The rows of the table under a heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, part) = PAGE.split_once(&format!("## {heading}\n")).expect("the heading");
    let part = part.split("\n## ").next().unwrap_or(part);
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn quoted(cell: &str) -> Vec<String> {
    let mut names: Vec<_> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

fn table(heading: &str) -> Table {
    let table: Table = rows(heading)
        .into_iter()
        .map(|row| {
            let [name, level, fields, meaning] = row[..] else { panic!("{row:?}") };
            assert!(!meaning.is_empty(), "{row:?}");
            (name.trim_matches('`').to_owned(), (level.to_owned(), quoted(fields)))
        })
        .collect();
    assert!(!table.is_empty(), "{heading}");
    table
}

/// The arguments of a macro, from behind its opening parenthesis.
fn arguments(code: &str) -> Vec<String> {
    let (mut depth, mut text, mut escaped) = (0, false, false);
    let mut all = vec![String::new()];
    for c in code.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if text => escaped = true,
            '"' => text = !text,
            _ if text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().unwrap().push(c);
    }
    all.iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

/// Each use of one of these macros: the name of the macro, the text, and the fields.
fn uses(code: &str, macros: &[&'static str]) -> Vec<(&'static str, String, Vec<String>)> {
    let mut found = Vec::new();
    for name in macros {
        for part in code.split(&format!("tracing::{name}!(")).skip(1) {
            let (texts, fields): (Vec<_>, Vec<_>) =
                arguments(part).into_iter().partition(|argument| argument.starts_with('"'));
            let name_of = |field: &String| {
                let name = field.split_once(" = ").map_or(field.as_str(), |(name, _)| name);
                name.trim_matches(['%', '?']).to_owned()
            };
            let mut fields: Vec<_> = fields.iter().map(name_of).collect();
            fields.sort();
            found.push((*name, texts.first().map_or("", |text| text.trim_matches('"')).to_owned(), fields));
        }
    }
    found
}

fn sources(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.extend(path.extension().is_some_and(|kind| kind == "rs").then_some(path));
        }
    }
}

/// The code of the broker and the transporters.
fn code() -> String {
    let mut all = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["src", "../transporters/src"] {
        sources(&root.join(part), &mut all);
    }
    let texts = all.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>();
    // Without what is only an example.
    texts.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

const LINES: [&str; 3] =
    ["Lines of a node's life", "Lines about other nodes", "Lines while a server is away"];

#[test]
fn the_page_names_every_span_with_its_level_and_fields_and_no_other() {
    let levels = ["trace_span", "debug_span", "info_span", "warn_span", "error_span"];
    let code: Table = uses(TELEMETRY, &levels)
        .into_iter()
        .map(|(level, name, fields)| (name, (level.trim_end_matches("_span").to_owned(), fields)))
        .collect();
    assert_eq!(code.len(), 4, "{code:#?}");
    assert_eq!(table("Spans"), code, "docs/logging.md (left) and broker/src/telemetry.rs (right)");
    // What each field is stands below the table.
    let (_, part) = PAGE.split_once("## Spans\n").unwrap();
    let explained: Vec<_> =
        part.split("\n## ").next().unwrap().lines().filter(|line| !line.starts_with('|')).collect();
    for field in code.values().flat_map(|(_, fields)| fields) {
        assert!(
            explained.concat().contains(&format!("`{field}`")),
            "docs/logging.md does not say what `{field}` is"
        );
    }
}

#[test]
fn the_page_names_every_line_at_info_with_its_fields() {
    let page: Table = LINES.into_iter().flat_map(table).collect();
    let told = uses(&code(), &["info"]);
    assert!(told.len() >= 13, "{}", told.len());
    for (level, message, fields) in told {
        assert_eq!(page.get(&message), Some(&(level.to_owned(), fields)), "docs/logging.md on `{message}`");
    }
}

#[test]
fn every_line_that_the_page_names_is_in_the_code_as_it_says() {
    let told = uses(&code(), &["info", "warn", "error"]);
    for (message, (level, fields)) in LINES.into_iter().flat_map(table) {
        let same = |(is, text, has): &&(&str, String, Vec<String>)| {
            *is == level && *text == message && *has == fields
        };
        assert!(told.iter().any(|line| same(&line)), "`{message}` at {level} with {fields:?}");
    }
    let code = code();
    for row in rows("Panics") {
        let message = row[0].trim_matches('`');
        assert!(code.contains(&format!("\"{message}\"")), "{message}");
    }
}

#[test]
fn every_line_that_counts_what_was_left_out_is_on_the_page() {
    let page: Table = LINES.into_iter().flat_map(table).collect();
    // These are about no server that is away.
    let others = ["a layer could not change a packet", "more records than can be read: the rest is left out"];
    for (level, message, fields) in uses(&code(), &["info", "warn", "error"]) {
        if fields.iter().any(|field| field == "left_out") && !others.contains(&&*message) {
            assert!(page.contains_key(&message), "{level}: {message}");
        }
    }
}
