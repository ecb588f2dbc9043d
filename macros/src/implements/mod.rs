//! `#[service(implements = Stock)]`: checks whether a service implements the contract of a `#[client]` trait.
//!
//!
//! Neither attribute sees the item of the other one, which may be in another module or crate. So `#[client]`
//! generates two items with the name of the trait: a type that gives access to the types of its arguments and
//! results, and a macro that knows its names. `#[service]` calls that macro with what it offers, and the
//! macro calls `__implements` with both. Names are compared here. Types are compared by the compiler, because
//! types that are written alike may differ, and types that are written differently may be equal.

mod compare;
mod data;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
pub(crate) use data::{Offer, OfferedAction, OfferedArgument, OfferedData, Term, TermData, Terms, facts};

/// The output of `__implements!`: errors, and code that compiles if the types agree.
pub(crate) fn tokens(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let checks = errors.check(syn::parse2::<data::Both>(input)).map(|data::Both { terms, offer }| {
        let kept = compare::compare(&terms, &offer, &mut errors);
        expand::checks(&terms, &offer, &kept)
    });
    let errors = errors.into_tokens();
    quote!(#errors #checks)
}
