//! The call of the user's method with what its handler was given.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::{at, located};
use crate::ast::{Method, Receiver, Slot};

/// `<Trips>::request(&*this, ctx, params.rider)`, each argument blamed on the type the user gave it.
///
/// By the type and not on `this`, which is an `Arc`: `this.clone()` would be a clone of that, whatever the service
/// calls its actions. A method that takes an `Arc` is given `this` itself.
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

/// `<Trips>::open(&*this, cx)`: `arguments` begin with a comma where there are any.
pub(super) fn by_type(method: &Method, self_ty: &Type, arguments: &TokenStream) -> TokenStream {
    let ident = &method.ident;
    let span = located(ident.span());
    let self_ty = at(self_ty, span);
    match method.receiver {
        Receiver::Shared => quote_spanned!(span=> <#self_ty>::#ident(&*__this #arguments)),
        Receiver::Arc => quote_spanned!(span=> <#self_ty>::#ident(__this #arguments)),
    }
}
