//! Generates tokens from the checked [`ast`](crate::ast).
//!
//!
//! Nothing here can fail. The generated code uses absolute paths. It calls only the public builder of the
//! broker, and what `__private` re-exports.

mod checks;
mod client;
mod error;
mod invocation;
mod json;
mod offer;
mod params;
pub(crate) mod schema;
mod service;
mod terms;

pub(crate) use client::contract;
pub(crate) use error::action_error;
pub(crate) use offer::implements;
pub(crate) use service::service;
#[cfg(test)]
pub(crate) use {offer::offer_of, terms::terms_of};

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// Lints that are useful for handwritten code, but not for generated code.
pub(crate) fn quiet() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            deprecated,
            non_camel_case_types,
            non_snake_case,
            unused_variables,
            clippy::all,
            clippy::pedantic
        )]
    }
}

/// Errors point at `span`. Names resolve as in the rest of the generated code, and lints know that it is
/// generated.
pub(crate) fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The same tokens, with the position `span`. A path to the broker is used in many places.
fn at(tokens: &impl ToTokens, span: Span) -> TokenStream {
    let blame = |token| match token {
        TokenTree::Group(group) => {
            let mut moved = Group::new(group.delimiter(), at(&group.stream(), span));
            moved.set_span(span);
            TokenTree::Group(moved)
        }
        mut other => {
            other.set_span(span);
            other
        }
    };
    tokens.to_token_stream().into_iter().map(blame).collect()
}
