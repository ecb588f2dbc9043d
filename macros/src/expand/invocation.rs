//! Generates the call of the user's method, with the arguments of its handler.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::{at, located};
use crate::ast::{Method, Receiver, Slot};

/// `<Trips>::request(&*this, ctx, params.rider)`. Errors about an argument point at its type in the user's
/// code.
///
///
/// The method is called through its type instead of on `this`, which is an `Arc`: `this.clone()` would clone
/// the `Arc`, even if an action is named `clone`. A method that takes an `Arc` gets `this` itself.
pub(super) fn method(method: &Method, slots: &[Slot], self_ty: &Type, krate: &TokenStream) -> TokenStream {
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
    by_type(method, self_ty, &quote!(#(, #arguments)*))
}

/// `<Trips>::open(&*this, cx)`. If there are `arguments`, they begin with a comma.
pub(super) fn by_type(method: &Method, self_ty: &Type, arguments: &TokenStream) -> TokenStream {
    let ident = &method.ident;
    let span = located(ident.span());
    let self_ty = at(self_ty, span);
    match method.receiver {
        Receiver::Shared => quote_spanned!(span=> <#self_ty>::#ident(&*__this #arguments)),
        Receiver::Arc => quote_spanned!(span=> <#self_ty>::#ident(__this #arguments)),
    }
}
