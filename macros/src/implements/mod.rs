//! `#[service(implements = Stock)]`: whether a service keeps the contract that a `#[client]` trait is.
//!
//! Neither attribute sees the other's item, which may stand in another module or crate. So `#[client]` leaves
//! two things under the trait's name: a type that hands out the types of its arguments and results, and a
//! macro that knows its names. `#[service]` calls that macro with what it offers, and the macro calls
//! `__implements` with both. Names are compared here, by what they are; types by the compiler, since two that are
//! written alike may differ and two that are written differently may be one.

mod compare;
mod data;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
pub(crate) use data::{Offer, OfferedAction, OfferedArgument, OfferedData, Term, TermData, Terms, facts};

/// What `__implements!` becomes: errors, and code that compiles when the types agree.
pub(crate) fn tokens(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let checks = errors.check(syn::parse2::<data::Both>(input)).map(|data::Both { terms, offer }| {
        let kept = compare::compare(&terms, &offer, &mut errors);
        expand::checks(&terms, &offer, &kept)
    });
    let errors = errors.into_tokens();
    quote!(#errors #checks)
}
