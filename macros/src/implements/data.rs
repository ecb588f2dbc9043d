//! The data that the two attributes exchange, in the form of tokens that only these macros read.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitBool, LitStr, Path, Type, braced};

/// The names of a contract. Its types are included only as text.
pub(crate) struct Terms {
    /// The trait's name.
    pub(crate) contract: String,
    /// Full name of the service.
    pub(crate) service: String,
    /// The `error` of the contract, if it names one.
    pub(crate) error: Option<String>,
    pub(crate) actions: Vec<Term>,
}

/// An action of the contract.
pub(crate) struct Term {
    /// On the wire.
    pub(crate) name: String,
    /// `reserve(sku: String, pieces: u32) -> Result<u32>`
    pub(crate) text: String,
    /// Whether it has a `cfg`.
    pub(crate) conditional: bool,
    pub(crate) data: TermData,
}

/// What callers send: names on the wire, and types as text.
pub(crate) enum TermData {
    Named(Vec<(String, String)>),
    Whole(String),
}

/// The parts of a service that a contract can ask for.
pub(crate) struct Offer {
    pub(crate) krate: Path,
    /// The contract.
    pub(crate) path: Path,
    /// The full name of the service, and its position in the code.
    pub(crate) name: LitStr,
    /// The service's type.
    pub(crate) ident: Ident,
    pub(crate) generics: TokenStream,
    pub(crate) bounds: TokenStream,
    pub(crate) error: Option<Path>,
    pub(crate) actions: Vec<OfferedAction>,
}

/// An action of the service.
pub(crate) struct OfferedAction {
    /// On the wire.
    pub(crate) name: String,
    pub(crate) ident: Ident,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) data: OfferedData,
    /// The `T` of its result. `None` for a raw action.
    pub(crate) ok: Option<Type>,
    /// The result as written.
    pub(crate) returns: Type,
}

/// What the action takes.
pub(crate) enum OfferedData {
    Named(Vec<OfferedArgument>),
    Whole(Box<Type>),
    /// It reads its params itself.
    Raw,
}

/// A named argument of the service.
pub(crate) struct OfferedArgument {
    pub(crate) wire: String,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

/// Functions of the contract's type. The type that each returns is a type of the contract. They need names,
/// so a type that only the contract's own module can name cannot be part of an interface.
pub(crate) mod facts {
    use super::{Ident, format_ident};

    /// The argument with this index, of the action with that index. The whole object is the first argument.
    pub(crate) fn argument(action: usize, argument: usize) -> Ident {
        format_ident!("__argument_{action}_{argument}")
    }

    pub(crate) fn result(action: usize) -> Ident {
        format_ident!("__result_{action}")
    }

    pub(crate) fn error() -> Ident {
        format_ident!("__error")
    }
}

/// The input of `__implements!`.
pub(super) struct Both {
    pub(super) terms: Terms,
    pub(super) offer: Offer,
}

impl Parse for Both {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self { terms: in_braces(input)?, offer: input.parse()? })
    }
}

fn in_braces<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    let content;
    braced!(content in input);
    content.parse()
}

fn all<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let content;
    braced!(content in input);
    let mut found = Vec::new();
    while !content.is_empty() {
        found.push(content.parse()?);
    }
    Ok(found)
}

fn text(input: ParseStream<'_>) -> syn::Result<String> {
    Ok(input.parse::<LitStr>()?.value())
}

// ===== Terms =====

impl ToTokens for Terms {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { contract, service, error, actions } = self;
        let error = error.iter();
        tokens.extend(quote!(#contract #service { #(#error)* } { #(#actions)* }));
    }
}

impl Parse for Terms {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            contract: text(input)?,
            service: text(input)?,
            error: all::<LitStr>(input)?.first().map(LitStr::value),
            actions: all(input)?,
        })
    }
}

impl ToTokens for Term {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { name, text, conditional, data } = self;
        let data = match data {
            TermData::Named(arguments) => {
                let arguments = arguments.iter().map(|(wire, ty)| quote!(#wire #ty));
                quote!(named { #(#arguments)* })
            }
            TermData::Whole(ty) => quote!(whole #ty),
        };
        tokens.extend(quote!({ #name #text #conditional #data }));
    }
}

impl Parse for Term {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        braced!(content in input);
        let (name, signature) = (text(&content)?, text(&content)?);
        let conditional = content.parse::<LitBool>()?.value;
        let kind: Ident = content.parse()?;
        let data = if kind == "whole" {
            TermData::Whole(text(&content)?)
        } else {
            let texts: Vec<LitStr> = all(&content)?;
            TermData::Named(texts.chunks_exact(2).map(|pair| (pair[0].value(), pair[1].value())).collect())
        };
        Ok(Self { name, text: signature, conditional, data })
    }
}

// ===== Offer =====

impl ToTokens for Offer {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { krate, path, name, ident, generics, bounds, error, actions } = self;
        let error = error.iter();
        // `krate` comes first, because the contract's macro needs it to find `__implements`.
        tokens.extend(quote! {
            { #krate } { #path } #name #ident { #generics } { #bounds } { #(#error)* } { #(#actions)* }
        });
    }
}

impl Parse for Offer {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            krate: in_braces(input)?,
            path: in_braces(input)?,
            name: input.parse()?,
            ident: input.parse()?,
            generics: in_braces(input)?,
            bounds: in_braces(input)?,
            error: all(input)?.into_iter().next(),
            actions: all(input)?,
        })
    }
}

impl ToTokens for OfferedAction {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { name, ident, cfgs, data, ok, returns } = self;
        let data = match data {
            OfferedData::Named(arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|OfferedArgument { wire, ident, ty }| quote!({ #wire #ident { #ty } }));
                quote!(named { #(#arguments)* })
            }
            OfferedData::Whole(ty) => quote!(whole { #ty }),
            OfferedData::Raw => quote!(raw),
        };
        let ok = ok.iter();
        tokens.extend(quote!({ #name #ident { #(#cfgs)* } #data { #(#ok)* } { #returns } }));
    }
}

impl Parse for OfferedAction {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        braced!(content in input);
        let (name, ident) = (text(&content)?, content.parse()?);
        let cfgs = {
            let cfgs;
            braced!(cfgs in content);
            cfgs.call(Attribute::parse_outer)?
        };
        let kind: Ident = content.parse()?;
        let data = match kind.to_string().as_str() {
            "named" => OfferedData::Named(all(&content)?),
            "whole" => OfferedData::Whole(Box::new(in_braces(&content)?)),
            _ => OfferedData::Raw,
        };
        let ok = all(&content)?.into_iter().next();
        Ok(Self { name, ident, cfgs, data, ok, returns: in_braces(&content)? })
    }
}

impl Parse for OfferedArgument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        braced!(content in input);
        Ok(Self { wire: text(&content)?, ident: content.parse()?, ty: in_braces(&content)? })
    }
}
