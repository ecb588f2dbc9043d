//! Reads `#[derive(ActionError)]`: the code and the type that each variant has on the wire.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Index, Member, Path, Type, parse_quote};

use crate::entries::Entries;
use crate::errors::Errors;

const CONTAINER: &[&str] = &["code", "name", "crate"];
const STRUCT: &[&str] = &["code", "type", "name", "retryable", "transparent", "crate"];
const VARIANT: &[&str] = &["code", "type", "name", "retryable", "transparent"];
const FIELD: &[&str] = &["skip"];

/// Node's default code of an error.
const DEFAULT_CODE: i64 = 500;

/// A type with `#[derive(ActionError)]`.
pub(crate) struct ErrorType {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) krate: Path,
    pub(crate) shapes: Vec<Shape>,
}

/// A variant of the enum, or the struct itself.
pub(crate) struct Shape {
    /// `None` for a struct.
    pub(crate) variant: Option<Ident>,
    pub(crate) fields: Vec<Field>,
    pub(crate) meaning: Meaning,
}

/// A field, named or numbered.
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    /// Whether the field is left out of the error's data.
    pub(crate) skip: bool,
}

impl Field {
    /// The field's key in the error's data.
    pub(crate) fn key(&self) -> String {
        match &self.member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

/// How an error is written on the wire.
pub(crate) enum Meaning {
    Own(Wire),
    /// The only field is an error itself.
    Transparent,
}

/// The constant parts of an error on the wire.
pub(crate) struct Wire {
    pub(crate) name: String,
    pub(crate) code: i64,
    pub(crate) error_type: String,
    pub(crate) retryable: bool,
}

/// The content of one `#[action_error(…)]`.
#[derive(Default)]
struct Options {
    code: Option<i64>,
    error_type: Option<String>,
    name: Option<String>,
    retryable: bool,
    transparent: bool,
    krate: Option<Path>,
}

/// Reads the input of the derive.
pub(crate) fn parse(input: TokenStream, errors: &mut Errors) -> Option<ErrorType> {
    let input: DeriveInput = errors.check(syn::parse2(input))?;
    let known = if matches!(input.data, Data::Struct(_)) { STRUCT } else { CONTAINER };
    let mut container = Options::read(&input.attrs, known, errors);
    let krate = container.krate.take().unwrap_or_else(|| parse_quote!(::ligand));
    let name = container.name.clone().unwrap_or_else(|| input.ident.unraw().to_string());
    let shapes = match &input.data {
        Data::Struct(data) => {
            vec![shape(None, &data.fields, container, &input.ident, (&name, DEFAULT_CODE), errors)]
        }
        Data::Enum(data) => {
            let defaults = (name.as_str(), container.code.unwrap_or(DEFAULT_CODE));
            data.variants
                .iter()
                .map(|variant| {
                    let options = Options::read(&variant.attrs, VARIANT, errors);
                    shape(Some(&variant.ident), &variant.fields, options, &variant.ident, defaults, errors)
                })
                .collect()
        }
        Data::Union(_) => {
            errors.at(
                &input.ident,
                "`ActionError` is for enums and structs: a union does not know what it holds",
            );
            return None;
        }
    };
    Some(ErrorType { ident: input.ident, generics: input.generics, krate, shapes })
        .filter(|error| !has_duplicates(error, errors))
}

fn shape(
    variant: Option<&Ident>,
    fields: &Fields,
    options: Options,
    ident: &Ident,
    (name, code): (&str, i64),
    errors: &mut Errors,
) -> Shape {
    let fields: Vec<Field> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| Field {
            member: field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(index)), Member::Named),
            ty: field.ty.clone(),
            skip: read_skip(&field.attrs, errors),
        })
        .collect();
    let meaning = if options.transparent {
        if fields.len() != 1 {
            errors.at(ident, "a transparent error has exactly one field, the error it passes on");
        }
        if options.code.is_some()
            || options.error_type.is_some()
            || options.name.is_some()
            || options.retryable
        {
            errors.at(ident, "a transparent error says what its field says: remove the other options");
        }
        Meaning::Transparent
    } else {
        Meaning::Own(Wire {
            name: options.name.unwrap_or_else(|| name.to_owned()),
            code: options.code.unwrap_or(code),
            error_type: options
                .error_type
                .unwrap_or_else(|| screaming_snake_case(&ident.unraw().to_string())),
            retryable: options.retryable,
        })
    };
    Shape { variant: variant.cloned(), fields, meaning }
}

fn has_duplicates(error: &ErrorType, errors: &mut Errors) -> bool {
    let before = errors.len();
    let mut seen: Vec<(&str, &Ident)> = Vec::new();
    for shape in &error.shapes {
        let (Meaning::Own(wire), Some(variant)) = (&shape.meaning, &shape.variant) else { continue };
        match seen.iter().find(|(text, _)| *text == wire.error_type) {
            Some((text, earlier)) => errors.at(
                variant,
                format!(
                    "`{earlier}` already has the type `{text}`, so a caller could not tell the two apart; \
                     `#[action_error(type = \"…\")]` gives one another"
                ),
            ),
            None => seen.push((&wire.error_type, variant)),
        }
    }
    errors.len() > before
}

impl Options {
    fn read(attrs: &[Attribute], known: &[&str], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("action_error")) {
            let entries = Entries::of(attr, errors);
            entries.check_unique(errors);
            if let Some(text) = &entries.positional {
                errors.at(text, format!("the type of an error has a key: `type = \"{}\"`", text.value()));
            }
            for entry in &entries.entries {
                let result = match entry.key.as_str() {
                    key if !known.contains(&key) => Err(entry.unknown(known)),
                    "code" => entry.int("404").map(|code| this.code = Some(code)),
                    "type" => entry.string("NOT_FOUND").and_then(|text| {
                        if text.value().is_empty() {
                            return Err(syn::Error::new(
                                text.span(),
                                "the type is empty, so nobody could match on it",
                            ));
                        }
                        this.error_type = Some(text.value());
                        Ok(())
                    }),
                    "name" => entry.string("TripError").map(|text| this.name = Some(text.value())),
                    "retryable" => entry.flag().map(|()| this.retryable = true),
                    "transparent" => entry.flag().map(|()| this.transparent = true),
                    _ => entry.path("path::to::ligand").map(|path| this.krate = Some(path)),
                };
                errors.check(result);
            }
        }
        this
    }
}

fn read_skip(attrs: &[Attribute], errors: &mut Errors) -> bool {
    let mut skip = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("action_error")) {
        for entry in &Entries::of(attr, errors).entries {
            let result =
                if FIELD.contains(&entry.key.as_str()) { entry.flag() } else { Err(entry.unknown(FIELD)) };
            skip |= errors.check(result).is_some();
        }
    }
    skip
}

/// `NoDriver` → `NO_DRIVER`, `HttpTimeout` → `HTTP_TIMEOUT`, `HTTPTimeout` → `HTTP_TIMEOUT`.
fn screaming_snake_case(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                let ends_acronym = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
                before.is_lowercase() || before.is_ascii_digit() || (before.is_uppercase() && ends_acronym)
            });
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn messages(input: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        parse(input, &mut errors);
        errors.messages()
    }

    #[test]
    fn a_variants_name_becomes_its_type() {
        for (name, expected) in [
            ("NoDriver", "NO_DRIVER"),
            ("Unknown", "UNKNOWN"),
            ("HTTPTimeout", "HTTP_TIMEOUT"),
            ("Ipv6Down", "IPV6_DOWN"),
            ("A", "A"),
        ] {
            assert_eq!(screaming_snake_case(name), expected);
        }
    }

    #[test]
    fn what_is_not_said_has_nodes_defaults() {
        let error = parse(
            quote!(
                enum E {
                    #[action_error(code = 404)]
                    NotFound,
                    Other(u8),
                }
            ),
            &mut Errors::default(),
        );
        let error = error.unwrap();
        let [Meaning::Own(first), Meaning::Own(second)] =
            [&error.shapes[0].meaning, &error.shapes[1].meaning]
        else {
            panic!("neither is transparent");
        };
        assert_eq!(
            (first.code, &*first.error_type, &*first.name, first.retryable),
            (404, "NOT_FOUND", "E", false)
        );
        assert_eq!((second.code, &*second.error_type), (500, "OTHER"));
    }

    #[test]
    fn two_variants_cannot_share_a_type() {
        let found = messages(quote!(
            enum E {
                Gone,
                #[action_error(type = "GONE")]
                Missing,
            }
        ));
        assert!(found[0].starts_with("`Gone` already has the type `GONE`"), "{found:?}");
    }

    #[test]
    fn a_transparent_error_has_one_field_and_no_opinion() {
        let found = messages(quote!(
            enum E {
                #[action_error(transparent, code = 3)]
                Call(A, B),
            }
        ));
        assert_eq!(
            found,
            [
                "a transparent error has exactly one field, the error it passes on",
                "a transparent error says what its field says: remove the other options"
            ]
        );
    }

    #[test]
    fn unknown_options_are_listed_with_the_known() {
        let found = messages(quote!(
            enum E {
                #[action_error(retriable)]
                A(#[action_error(hide)] u8),
            }
        ));
        assert_eq!(
            found,
            [
                "unknown option `retriable`, did you mean `retryable`? supported options are: code, type, name, \
                 retryable, transparent",
                "unknown option `hide`, supported options are: skip"
            ]
        );
    }

    #[test]
    fn a_union_is_refused() {
        assert!(messages(quote!(union U { a: u8 }))[0].contains("union"));
    }
}
