//! The schema file: a service's interface as text that can be reviewed and compared.
//!
//! Argument names are wire format, so a rename that looks harmless in Rust breaks callers. With
//! `LIGAND_SCHEMA=write` the interface is written to `schemas/<service>.json` in the package; with
//! `LIGAND_SCHEMA=check` a difference is a compile error. Without the variable nothing happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitBool, LitStr, Token};

use crate::ast::{Inputs, Service};
use crate::errors::Errors;
use crate::signature::compact;
use crate::wire;

const VARIABLE: &str = "LIGAND_SCHEMA";

/// How to accept a change.
const ACCEPT: &str = "argument names and types are wire format; if the change is meant, run \
                      `LIGAND_SCHEMA=write cargo check` and commit the file";

/// Does what the environment asks for, and returns what has to be emitted for it.
pub(crate) fn apply(service: &Service, errors: &mut Errors) -> TokenStream {
    let Ok(mode) = env::var(VARIABLE) else { return TokenStream::new() };
    let span = service.name.span;
    let path = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => file_of(service, Path::new(&package)),
        None => {
            errors.at_span(
                span,
                format!("{VARIABLE} needs CARGO_MANIFEST_DIR to find the package: build with cargo"),
            );
            return TokenStream::new();
        }
    };
    match mode.as_str() {
        "check" => {
            let stored = fs::read_to_string(&path).ok();
            if let Err(message) = compare(service, stored.as_deref()) {
                errors.at_span(span, message);
            }
            // The compiler then looks again when the file changes.
            match (stored, path.to_str()) {
                (Some(_), Some(path)) => quote!(
                    const _: &[u8] = ::core::include_bytes!(#path);
                ),
                _ => TokenStream::new(),
            }
        }
        "write" => {
            if let Err(error) = write(&path, &text(service)) {
                errors.at_span(span, format!("cannot write {}: {error}", path.display()));
            }
            TokenStream::new()
        }
        "" => TokenStream::new(),
        other => {
            errors.at_span(span, format!("{VARIABLE} is `check` or `write`, not `{other}`"));
            TokenStream::new()
        }
    }
}

fn file_of(service: &Service, package: &Path) -> PathBuf {
    package.join("schemas").join(format!("{}.json", service.name.full()))
}

/// Leaves the file alone when nothing changed, so that nothing is built again because of it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|stored| stored == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Compares the interface with the stored file.
fn compare(service: &Service, stored: Option<&str>) -> Result<(), String> {
    let full = service.name.full();
    let file = format!("schemas/{full}.json");
    let Some(stored) = stored else {
        return Err(format!(
            "{file} does not exist yet; run `LIGAND_SCHEMA=write cargo check` and commit the file"
        ));
    };
    let now = text(service);
    let parse = |text: &str| syn::parse_str::<Json>(text).map(|json| json.flatten());
    let (Ok(now), Ok(stored)) = (parse(&now), parse(stored)) else {
        return Err(format!(
            "{file} cannot be read as a schema; run `LIGAND_SCHEMA=write cargo check` to renew it"
        ));
    };
    let changes = changes(&stored, &now);
    if changes.is_empty() {
        return Ok(());
    }
    Err(format!("the interface of `{full}` differs from {file}:\n{}\n{ACCEPT}", changes.join("\n")))
}

/// One line per leaf that went, came or changed.
fn changes(stored: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let gone = stored
        .iter()
        .filter(|(key, _)| !now.contains_key(*key))
        .map(|(key, value)| format!("  - {key}: {value}"));
    let new = now.iter().filter_map(|(key, value)| match stored.get(key) {
        None => Some(format!("  + {key}: {value}")),
        Some(old) if old != value => Some(format!("  ~ {key}: {old} is now {value}")),
        Some(_) => None,
    });
    gone.chain(new).collect()
}

/// The content of the file: sorted, one leaf per line, so that a review shows what changed.
fn text(service: &Service) -> String {
    let actions = service.actions.iter().map(|action| {
        let mut entry = inputs(&action.inputs);
        if !matches!(action.inputs, Inputs::Raw) {
            entry.push(("returns".into(), Json::Text(compact(&action.method.returns.ok))));
        }
        (action.name.text.clone(), Json::Object(entry))
    });
    let events = service.events.iter().map(|event| {
        let mut entry = inputs(&event.inputs);
        if let Some(group) = &event.options.group {
            entry.push(("group".into(), Json::Text(group.clone())));
        }
        (event.pattern.text.clone(), Json::Object(entry))
    });
    let json = Json::Object(vec![
        ("service".into(), Json::Text(service.name.full())),
        ("actions".into(), Json::Object(sorted(actions))),
        ("events".into(), Json::Object(sorted(events))),
    ]);
    let mut text = String::new();
    json.write(0, &mut text);
    text.push('\n');
    text
}

fn sorted(entries: impl Iterator<Item = (String, Json)>) -> Vec<(String, Json)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

fn inputs(inputs: &Inputs) -> Vec<(String, Json)> {
    match inputs {
        Inputs::Empty => Vec::new(),
        Inputs::Named(arguments) => {
            let fields = arguments.iter().map(|argument| {
                let inner = wire::optional(&argument.ty);
                let mut field = vec![("type".to_owned(), Json::Text(compact(inner.unwrap_or(&argument.ty))))];
                if inner.is_some() {
                    field.push(("optional".into(), Json::Flag(true)));
                }
                (argument.wire.clone(), Json::Object(field))
            });
            vec![("params".into(), Json::Object(sorted(fields)))]
        }
        Inputs::Whole(ty) | Inputs::Shared(ty) => vec![("whole".into(), Json::Text(compact(ty)))],
        Inputs::Raw => vec![("raw".into(), Json::Flag(true))],
    }
}

/// As much of JSON as schema files use. Its tokens are Rust tokens, so `syn` reads it.
enum Json {
    Object(Vec<(String, Json)>),
    Text(String),
    Flag(bool),
}

impl Json {
    fn write(&self, depth: usize, text: &mut String) {
        match self {
            Self::Object(entries) if entries.is_empty() => text.push_str("{}"),
            Self::Object(entries) => {
                let indent = "  ".repeat(depth + 1);
                text.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    text.push_str(if index == 0 { "\n" } else { ",\n" });
                    text.push_str(&indent);
                    write_string(key, text);
                    text.push_str(": ");
                    value.write(depth + 1, text);
                }
                text.push('\n');
                text.push_str(&"  ".repeat(depth));
                text.push('}');
            }
            Self::Text(value) => write_string(value, text),
            Self::Flag(value) => text.push_str(if *value { "true" } else { "false" }),
        }
    }

    /// `actions.request.params.rider.type` → `RiderId`
    fn flatten(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect(&self, path: &str, leaves: &mut BTreeMap<String, String>) {
        let leaf = match self {
            Self::Text(value) => value.clone(),
            Self::Flag(value) => value.to_string(),
            // An action without arguments is still an action.
            Self::Object(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Object(entries) => {
                for (key, value) in entries {
                    let separator = if path.is_empty() { "" } else { "." };
                    value.collect(&format!("{path}{separator}{key}"), leaves);
                }
                return;
            }
        };
        leaves.insert(path.to_owned(), leaf);
    }
}

impl Parse for Json {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return Ok(Self::Text(input.parse::<LitStr>()?.value()));
        }
        if input.peek(LitBool) {
            return Ok(Self::Flag(input.parse::<LitBool>()?.value));
        }
        let content;
        syn::braced!(content in input);
        let mut entries = Vec::new();
        while !content.is_empty() {
            let key: LitStr = content.parse()?;
            content.parse::<Token![:]>()?;
            entries.push((key.value(), content.parse()?));
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(Self::Object(entries))
    }
}

/// Names are checked and types are printed tokens, so quotes and backslashes are all there is to escape.
fn write_string(value: &str, text: &mut String) {
    text.push('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
}
