//! The schema file: the interface of a service as text that can be reviewed and compared.
//!
//!
//! Argument names are wire format, so a rename that looks harmless in Rust breaks callers. With
//! `LIGAND_SCHEMA=write`, the interface is written to `schemas/<service>.json` in the package. With
//! `LIGAND_SCHEMA=check`, a difference is a compile error. Without the variable, nothing happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::json::Json;
use crate::ast::{Inputs, Method, Service};
use crate::errors::Errors;
use crate::wire::{self, compact};

const VARIABLE: &str = "LIGAND_SCHEMA";

/// How to accept a change.
const ACCEPT: &str = "argument names and types are wire format; if the change is meant, run \
                      `LIGAND_SCHEMA=write cargo check` and commit the file";

/// Does what the environment variable says, and returns the tokens to emit for it.
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
            // Makes the compiler run again when the file changes.
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

/// Leaves an unchanged file alone, so that nothing is built again because of it.
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

/// One line for each leaf that was added, removed or changed.
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

/// The content of the file: sorted, with one argument per line, so that a review shows what has changed.
fn text(service: &Service) -> String {
    let actions = service.actions.iter().map(|action| {
        let mut entry = inputs(&action.inputs);
        if action.is_strict(service) {
            entry.push(("strict".into(), Json::Flag(true)));
        }
        if !matches!(action.inputs, Inputs::Raw) {
            entry.push(("returns".into(), Json::Text(compact(&action.method.returns.ok))));
        }
        (key(&action.name.text, &action.method), Json::Object(entry))
    });
    let events = service.events.iter().map(|event| {
        let mut entry = inputs(&event.inputs);
        if let Some(group) = &event.options.group {
            entry.push(("group".into(), Json::Text(group.clone())));
        }
        (key(&event.pattern.text, &event.method), Json::Object(entry))
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

/// Two methods with exclusive conditions may have the same name, and a macro cannot tell which condition is
/// true.
fn key(name: &str, method: &Method) -> String {
    let conditions = method.cfgs.iter().map(|cfg| format!(" {}", cfg.meta.to_token_stream()));
    std::iter::once(name.to_owned()).chain(conditions).collect()
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

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;
    use crate::tests::service_of;

    fn service() -> Service {
        service_of(
            quote!(name = "trips", version = 1),
            quote! {
                impl Trips {
                    #[action(rename(to = "target"))]
                    async fn request(&self, ctx: Context, rider: RiderId, to: Option<Point>) -> Result<Trip> {}
                    #[action]
                    async fn place(&self, cart: Params<Cart>) -> Result<Vec<Order>> {}
                    #[action(raw)]
                    async fn follow(&self) -> Result<Reply> {}
                    #[cfg(unix)]
                    #[action]
                    async fn ping(&self) -> Result<()> {}
                    #[event("user.created", group = "mail")]
                    async fn on_user(&self, id: u64) -> Result<()> {}
                }
            },
        )
    }

    const EXPECTED: &str = r#"{
  "service": "v1.trips",
  "actions": {
    "follow": { "raw": true },
    "ping cfg (unix)": { "returns": "()" },
    "place": { "whole": "Cart", "returns": "Vec<Order>" },
    "request": {
      "params": {
        "rider": { "type": "RiderId" },
        "target": { "type": "Point", "optional": true }
      },
      "returns": "Trip"
    }
  },
  "events": {
    "user.created": {
      "params": {
        "id": { "type": "u64" }
      },
      "group": "mail"
    }
  }
}
"#;

    #[test]
    fn the_file_names_every_argument_as_the_wire_does() {
        assert_eq!(text(&service()).replace("cfg(unix)", "cfg (unix)"), EXPECTED);
    }

    #[test]
    fn the_same_interface_is_accepted_however_it_is_laid_out() {
        let written = text(&service());
        assert_eq!(compare(&service(), Some(&written)), Ok(()));
        let reflowed = written.replace('\n', "\r\n").replace("  ", "\t");
        assert_eq!(compare(&service(), Some(&reflowed)), Ok(()));
    }

    #[test]
    fn a_difference_is_named_leaf_by_leaf_with_the_way_to_accept_it() {
        let stored = text(&service()).replace("\"rider\"", "\"passenger\"").replace("u64", "u32");
        let message = compare(&service(), Some(&stored)).unwrap_err();
        for part in [
            "  - actions.request.params.passenger.type: RiderId",
            "  + actions.request.params.rider.type: RiderId",
            "  ~ events.user.created.params.id.type: u32 is now u64",
            "`LIGAND_SCHEMA=write cargo check`",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_missing_or_broken_file_says_how_to_make_one() {
        assert!(compare(&service(), None).unwrap_err().contains("schemas/v1.trips.json does not exist yet"));
        assert!(compare(&service(), Some("{ nonsense")).unwrap_err().contains("cannot be read"));
    }
}
