//! Generates `docs/configuration.md` from the code.
//!
//! Meaning, unit and default of an option are written once, in the doc comment of its field. The tests here
//! read them from the source, compare them with the table and the real defaults, and compare the generated
//! tables with the page. `UPDATE_DOCS=1 cargo test -p ligand --lib config::reference` rewrites the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::BrokerConfig;
use super::env::variable;
use super::kind::{Kind, value_at};
use super::table::{self, OPTIONS};

const SOURCES: &[&str] = &[include_str!("broker.rs"), include_str!("parts.rs"), include_str!("transit.rs")];
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

/// A field with its doc comment.
#[derive(Debug, Clone, Default)]
struct Field {
    path: String,
    kind: String,
    /// Its meaning, in one line.
    meaning: String,
    unit: Option<String>,
    default: Option<String>,
}

/// The public fields of each public struct in a source file, in order. `path` contains only the key.
fn fields_of(source: &str) -> BTreeMap<String, Vec<Field>> {
    let mut structs: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    let (mut current, mut docs, mut renamed) = (None, Vec::new(), None);
    for line in source.lines() {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
            current = Some(name.to_owned());
            docs.clear();
        } else if line == "}" {
            current = None;
        } else if let Some(doc) = text.strip_prefix("///") {
            docs.push(doc.trim().to_owned());
        } else if let Some((_, rest)) = text.split_once("rename = \"") {
            renamed = rest.split('"').next().map(str::to_owned);
        } else if let (Some(name), Some(rest)) = (&current, text.strip_prefix("pub ")) {
            let Some((field, kind)) = rest.trim_end_matches(',').split_once(": ") else { continue };
            let key = renamed.take().unwrap_or_else(|| camel_case(field));
            structs.entry(name.clone()).or_default().push(documented(key, kind, &docs.join("\n")));
            docs.clear();
        }
    }
    structs
}

/// Splits `Unit: x. Default: y.` off the end of a doc comment.
fn documented(path: String, kind: &str, docs: &str) -> Field {
    let (text, facts) = match docs.rsplit_once("\n\n") {
        Some((text, facts)) => (text, facts),
        None => (docs, ""),
    };
    let fact = |name: &str| {
        let (_, rest) = facts.split_once(name)?;
        let rest = rest.split(". Default").next()?.trim_end_matches('.');
        Some(rest.trim_matches('`').to_owned())
    };
    Field {
        path,
        kind: kind.to_owned(),
        meaning: text.replace('\n', " "),
        unit: fact("Unit: "),
        default: fact("Default: "),
    }
}

fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let mut key = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        key.push_str(&first.to_uppercase());
        key.push_str(rest);
    }
    key
}

/// All fields in order, with full paths. A group comes before its fields.
fn all_fields() -> Vec<Field> {
    fn add(group: &str, name: &str, structs: &BTreeMap<String, Vec<Field>>, fields: &mut Vec<Field>) {
        for field in &structs[name] {
            let path = if group.is_empty() { field.path.clone() } else { format!("{group}.{}", field.path) };
            fields.push(Field { path: path.clone(), ..field.clone() });
            if structs.contains_key(&field.kind) {
                add(&path, &field.kind, structs, fields);
            }
        }
    }
    let structs = SOURCES.iter().flat_map(|source| fields_of(source)).collect();
    let mut fields = Vec::new();
    add("", "BrokerConfig", &structs, &mut fields);
    fields
}

fn defaults() -> Map<String, Value> {
    BrokerConfig::default().to_plain_tree()
}

/// The paths of all leaves. An option that is an open object is one leaf.
fn leaves(group: &str, tree: &Map<String, Value>, paths: &mut Vec<String>) {
    for (key, value) in tree {
        let path = if group.is_empty() { key.clone() } else { format!("{group}.{key}") };
        match value {
            Value::Object(inner) if table::option(&path).is_none() => leaves(&path, inner, paths),
            _ => paths.push(path),
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The tables of options, one for each group.
fn render_options() -> String {
    let fields = all_fields();
    let groups: Vec<&Field> = fields.iter().filter(|field| table::is_group(&field.path)).collect();
    let mut page = String::new();
    let top = Field { meaning: "At the top level of a file.".into(), ..Field::default() };
    for group in std::iter::once(&top).chain(groups) {
        let title = if group.path.is_empty() { "Top level".into() } else { format!("`{}`", group.path) };
        let _ = writeln!(page, "\n### {title}\n\n{}\n", group.meaning);
        let _ = writeln!(page, "| option | default | unit of a plain number | environment | meaning |");
        let _ = writeln!(page, "|---|---|---|---|---|");
        let parent = |path: &str| path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
        for field in fields.iter().filter(|field| parent(&field.path) == group.path) {
            let key = field.path.rsplit('.').next().unwrap_or_default();
            if table::is_group(&field.path) {
                let anchor = field.path.replace('.', "").to_lowercase();
                let _ = writeln!(page, "| [`{key}`](#{anchor}) | | | | {} |", cell(&field.meaning));
                continue;
            }
            let default = match field.default.as_deref() {
                Some("none") | None => "none".to_owned(),
                Some(default) => format!("`{default}`"),
            };
            let _ = writeln!(
                page,
                "| `{key}` | {default} | {} | `{}` | {} |",
                field.unit.as_deref().unwrap_or_default(),
                variable(&field.path),
                cell(&field.meaning)
            );
        }
    }
    page
}

fn render_unsupported() -> String {
    let names: Vec<String> = table::UNSUPPORTED.iter().map(|path| format!("`{path}`")).collect();
    let lines: Vec<_> = names.chunks(8).map(|names| names.join(", ")).collect();
    format!("\n{}.\n", lines.join(",\n"))
}

/// The page, with the text between the markers `<!-- name -->` and `<!-- /name -->` replaced.
fn between_markers(page: &str, name: &str, content: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
    let (before, rest) = page.split_once(&open).expect("the page has the opening marker");
    let (_, after) = rest.split_once(&close).expect("the page has the closing marker");
    format!("{before}{open}{content}{close}{after}")
}

#[test]
fn the_table_names_exactly_the_fields_in_their_order() {
    let in_table: Vec<&str> = OPTIONS.iter().map(|row| row.path).collect();
    let fields = all_fields();
    let in_source: Vec<&str> =
        fields.iter().map(|field| &*field.path).filter(|path| !table::is_group(path)).collect();
    assert_eq!(in_table, in_source);

    let mut in_serde = Vec::new();
    leaves("", &defaults(), &mut in_serde);
    let mut sorted = in_table;
    sorted.sort_unstable();
    in_serde.sort_unstable();
    assert_eq!(sorted, in_serde);
}

#[test]
fn documented_units_and_defaults_are_the_real_ones() {
    let defaults = defaults();
    for field in all_fields() {
        let Some(row) = table::option(&field.path) else { continue };
        let default = match value_at(&defaults, row.path) {
            Some(Value::Null) => "none".to_owned(),
            Some(value) => value.to_string(),
            None => panic!("no default of {}", row.path),
        };
        assert_eq!(field.default, Some(default), "default of {}", row.path);
        assert_eq!(field.unit.as_deref(), row.kind.unit(), "unit of {}", row.path);
        assert!(field.meaning.ends_with('.'), "{}", row.path);
    }
}

#[test]
fn plain_numbers_have_the_documented_unit() {
    for row in OPTIONS {
        let same = match row.kind {
            Kind::Duration { unit: super::duration::Unit::Seconds, .. } => json!("7s"),
            Kind::Duration { .. } | Kind::Timeout => json!("7ms"),
            _ => continue,
        };
        let with = |value: Value| {
            let tree = row.path.rsplit('.').fold(value, |value, key| json!({ key: value }));
            serde_json::from_value::<BrokerConfig>(tree)
                .map(|config| config.to_plain_tree())
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(json!(7)), with(same.clone()), "{}", row.path);
        assert_eq!(value_at(&with(json!(7)).unwrap_or_default(), row.path), Some(&same), "{}", row.path);
    }
}

#[test]
fn no_option_is_both_there_and_unsupported() {
    for path in table::UNSUPPORTED {
        assert!(table::option(path).is_none() && !table::is_group(path), "{path}");
    }
}

#[test]
fn docs_configuration_is_current() {
    let page = std::fs::read_to_string(PAGE).expect("docs/configuration.md exists");
    let current = between_markers(&page, "options", &render_options());
    let current = between_markers(&current, "unsupported", &render_unsupported());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &current).expect("docs/configuration.md can be written");
    } else {
        assert!(page == current, "docs/configuration.md is out of date: run this test with UPDATE_DOCS=1");
    }
}
