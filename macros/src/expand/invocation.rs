//! The call of the user's method with what its handler was given.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Ident;

use super::{at, located};
use crate::ast::Slot;

/// `this.request(ctx, params.rider)`, each argument blamed on the type the user gave it.
pub(super) fn method(method: &Ident, slots: &[Slot], krate: &TokenStream) -> TokenStream {
    let arguments = slots.iter().map(|slot| match slot {
        Slot::Context(span) => quote_spanned!(located(*span)=> ctx),
        Slot::Field(ident, span) => {
            let mut ident = ident.clone();
            ident.set_span(located(*span));
            quote_spanned!(located(*span)=> params.#ident)
        }
        Slot::Whole(span) => {
            let krate = at(krate, located(*span));
            quote_spanned!(located(*span)=> #krate::Params(params))
        }
        Slot::Shared(span) | Slot::Payload(span) => quote_spanned!(located(*span)=> params),
    });
    quote_spanned!(located(method.span())=> __this.#method(#(#arguments),*))
}
