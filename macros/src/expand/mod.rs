//! From the checked [`ast`](crate::ast) to tokens.
//!
//! Nothing here can fail. Generated code calls the broker's public builder and what `__private` re-exports,
//! by absolute paths.

mod checks;
mod client;
mod error;
mod params;
pub(crate) mod schema;
mod service;

pub(crate) use client::contract;
pub(crate) use error::action_error;
pub(crate) use service::service;

use proc_macro2::{Span, TokenStream};
use quote::quote;

/// Lints that are right about code people write and mean nothing for generated code.
fn quiet() -> TokenStream {
    quote!(#[allow(dead_code, deprecated, non_snake_case, unused_variables, clippy::all, clippy::pedantic)])
}

/// Errors point at `span`; names resolve as in the rest of the generated code, and lints know it is generated.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}
