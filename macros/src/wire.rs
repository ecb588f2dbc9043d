//! Types as written in the source: which can be sent, and what they consist of.
//!
//!
//! The compiler checks whether a type implements serde's traits. This module finds only those types whose
//! compiler errors would point at generated code.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, Ident, PathArguments, PathSegment, Type};

/// Why a type cannot be part of the interface.
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What was found in the type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `&T`
    Reference,
    /// `'a`, but not `'static`
    Lifetime,
    /// `impl Trait`
    ImplTrait,
    /// `Self`, which has no meaning where the params and the client are defined
    SelfType,
    /// A type parameter of the impl
    Parameter(String),
}

impl Trouble {
    /// The message, for `what` = "an argument" or "the result".
    pub(crate) fn message(&self, what: &str) -> String {
        match &self.kind {
            Kind::Reference => format!(
                "{what} owns its data, which comes from the wire: write the type without `&` (`String` for `&str`, \
                 `Vec<T>` for `&[T]`)"
            ),
            Kind::Lifetime => {
                format!("{what} owns its data, which comes from the wire: only `'static` is possible here")
            }
            Kind::ImplTrait => format!("{what} needs one type that can be decoded: `impl Trait` names none"),
            Kind::SelfType => {
                format!("{what} is also used outside this impl: write the type's name instead of `Self`")
            }
            Kind::Parameter(name) => format!(
                "`{name}` is a parameter of the impl, but one service has one interface: {what} needs a type without \
                 parameters"
            ),
        }
    }
}

/// The first part of `ty` that cannot be sent.
pub(crate) fn trouble(ty: &Type, parameters: &[Ident]) -> Option<Trouble> {
    walk(ty.to_token_stream(), parameters)
}

/// Types contain no operators, so their tokens are sufficient: `&` is a reference, `'` begins a lifetime.
fn walk(tokens: TokenStream, parameters: &[Ident]) -> Option<Trouble> {
    let mut tokens = tokens.into_iter().peekable();
    let mut after_path_separator = false;
    while let Some(token) = tokens.next() {
        let span = token.span();
        let found = match &token {
            TokenTree::Group(group) => {
                if let Some(trouble) = walk(group.stream(), parameters) {
                    return Some(trouble);
                }
                None
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => Some(Kind::Reference),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(name)) if name == "static" => None,
                _ => Some(Kind::Lifetime),
            },
            TokenTree::Ident(ident) if ident == "impl" => Some(Kind::ImplTrait),
            TokenTree::Ident(ident) if ident == "Self" => Some(Kind::SelfType),
            // `S` in `module::S` is a type of that name, not the parameter.
            TokenTree::Ident(ident) if !after_path_separator && parameters.contains(ident) => {
                Some(Kind::Parameter(ident.to_string()))
            }
            _ => None,
        };
        if let Some(kind) = found {
            return Some(Trouble { kind, span });
        }
        after_path_separator = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
    }
    None
}

/// The type without parentheses, and without the invisible groups that `macro_rules!` makes.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// The last segment of a path type: `Context` in `ligand::Context`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match peel(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// Whether the last segment of the type has this name.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// The type arguments of a segment: `T` and `E` in `Result<T, E>`.
pub(crate) fn type_arguments(segment: &PathSegment) -> Vec<&Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The `T` of `Option<T>`: an argument that may be missing on the wire.
pub(crate) fn optional(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty)?;
    match (segment.ident == "Option", &type_arguments(segment)[..]) {
        (true, [inner]) => Some(inner),
        _ => None,
    }
}

/// Whether the type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(peel(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// A type as people write it: `Option<Vec<u8>>` instead of `Option < Vec < u8 > >`.
pub(crate) fn compact(ty: &Type) -> String {
    let mut text = String::new();
    write_compact(peel(ty).to_token_stream(), &mut text);
    text
}

fn write_compact(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_compact(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                if matches!(punct.as_char(), ',' | ';') {
                    text.push(' ');
                }
            }
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn kind(ty: &Type) -> Option<Kind> {
        trouble(ty, &[parse_quote!(S)]).map(|trouble| trouble.kind)
    }

    #[test]
    fn borrowed_unnamed_and_foreign_types_are_found_at_any_depth() {
        assert_eq!(kind(&parse_quote!(Vec<&str>)), Some(Kind::Reference));
        assert_eq!(kind(&parse_quote!(Cow<'a, str>)), Some(Kind::Lifetime));
        assert_eq!(kind(&parse_quote!(Option<impl Fn()>)), Some(Kind::ImplTrait));
        assert_eq!(kind(&parse_quote!((u8, Self))), Some(Kind::SelfType));
        assert_eq!(kind(&parse_quote!(Vec<S>)), Some(Kind::Parameter("S".into())));
    }

    #[test]
    fn owned_types_have_no_trouble() {
        for ty in ["Vec<String>", "Cow<'static, str>", "[u8; 4]", "module::S", "HashMap<String, Option<u8>>"]
        {
            assert_eq!(kind(&syn::parse_str(ty).unwrap()), None, "{ty}");
        }
    }

    #[test]
    fn an_option_is_known_by_its_last_segment() {
        assert!(optional(&parse_quote!(std::option::Option<u8>)).is_some());
        assert!(optional(&parse_quote!(Vec<u8>)).is_none());
    }

    #[test]
    fn types_are_written_without_the_tokens_spaces() {
        assert_eq!(compact(&parse_quote!(Option<Vec<u8>>)), "Option<Vec<u8>>");
        assert_eq!(compact(&parse_quote!(HashMap<String, [u8; 4]>)), "HashMap<String, [u8; 4]>");
        assert_eq!(compact(&parse_quote!(Box<dyn Any>)), "Box<dyn Any>");
        assert_eq!(compact(&parse_quote!(std::borrow::Cow<'static, str>)), "std::borrow::Cow<'static, str>");
    }
}
