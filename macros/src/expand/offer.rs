//! Generates what a service passes to the contract that it `implements`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::ast::{Action, Inputs, Service};
use crate::implements::{Offer, OfferedAction, OfferedArgument, OfferedData};

/// The call of the contract's macro.
pub(crate) fn implements(service: &Service) -> TokenStream {
    let Some(offer) = offer_of(service) else { return TokenStream::new() };
    let path = &offer.path;
    quote!(#path! { #offer })
}

pub(crate) fn offer_of(service: &Service) -> Option<Offer> {
    let path = service.implements.clone()?;
    let (generics, _, bounds) = service.generics.split_for_impl();
    Some(Offer {
        krate: service.krate.clone(),
        path,
        name: LitStr::new(&service.name.full(), service.name.span),
        ident: service.ident.clone(),
        generics: quote!(#generics),
        bounds: quote!(#bounds),
        error: service.error.clone(),
        actions: service.actions.iter().map(action).collect(),
    })
}

fn action(action: &Action) -> OfferedAction {
    let data = match &action.inputs {
        Inputs::Empty => OfferedData::Named(Vec::new()),
        Inputs::Named(arguments) => OfferedData::Named(
            arguments
                .iter()
                .map(|argument| OfferedArgument {
                    wire: argument.wire.clone(),
                    ident: argument.ident.clone(),
                    ty: argument.ty.clone(),
                })
                .collect(),
        ),
        Inputs::Whole(ty) | Inputs::Shared(ty) => OfferedData::Whole(Box::new(ty.clone())),
        Inputs::Raw => OfferedData::Raw,
    };
    OfferedAction {
        name: action.name.text.clone(),
        ident: action.method.ident.clone(),
        cfgs: action.method.cfgs.clone(),
        data,
        ok: action.inputs.is_typed().then(|| action.method.returns.ok.clone()),
        returns: action.method.returns.whole.clone(),
    }
}
