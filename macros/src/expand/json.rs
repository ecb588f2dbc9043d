//! The part of JSON that schema files use: objects, strings and booleans.

use std::collections::BTreeMap;

use syn::parse::{Parse, ParseStream};
use syn::{LitBool, LitStr, Token};

/// The part of JSON that schema files use. Its tokens are Rust tokens, so `syn` reads it.
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    Text(String),
    Flag(bool),
}

impl Json {
    pub(super) fn write(&self, depth: usize, text: &mut String) {
        match self {
            Self::Object(entries) if entries.is_empty() => text.push_str("{}"),
            Self::Object(entries) if entries.iter().all(|(_, value)| value.is_leaf()) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    text.push_str(if index == 0 { "{ " } else { ", " });
                    write_string(key, text);
                    text.push_str(": ");
                    value.write(depth, text);
                }
                text.push_str(" }");
            }
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

    fn is_leaf(&self) -> bool {
        !matches!(self, Self::Object(entries) if !entries.is_empty())
    }

    /// `actions.request.params.rider.type` → `RiderId`
    pub(super) fn flatten(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect(&self, path: &str, leaves: &mut BTreeMap<String, String>) {
        let leaf = match self {
            Self::Text(value) => value.clone(),
            Self::Flag(value) => value.to_string(),
            // An action without arguments is listed, too.
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

/// Names are checked, and types are printed tokens, so only quotes and backslashes need an escape.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_survive_the_file() {
        let json = Json::Object(vec![("a \"b\" \\".into(), Json::Text("c\\d\"".into()))]);
        let mut text = String::new();
        json.write(0, &mut text);
        assert_eq!(syn::parse_str::<Json>(&text).unwrap().flatten(), json.flatten());
    }
}
