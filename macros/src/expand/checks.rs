//! Bounds, written out where an error can still point at the user's types.
//!
//! The functions are never called. Their names show up in errors ("required by a bound in
//! `an_argument_travels`"), so they read as the reason.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{located, quiet};
use crate::ast::{Action, Event, Inputs, Method, Service};

/// A function that compiles exactly when all types of the interface fit.
pub(super) fn service(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let serde = quote!(#krate::__private::serde);
    let quiet = quiet();
    let (impl_generics, _, where_clause) = service.generics.split_for_impl();
    let actions = service.actions.iter().map(|item| action(item, service.client.is_some()));
    let events = service.events.iter().map(event);
    let hooks = service.started.iter().chain(&service.stopped).map(|hook| {
        let failure = failure(&hook.method);
        let cfgs = &hook.method.cfgs;
        quote!(#(#cfgs)* { #failure })
    });
    quote! {
        #quiet
        fn checks #impl_generics () #where_clause {
            fn an_argument_travels<T>()
            where
                T: #serde::Serialize + #serde::de::DeserializeOwned + ::core::marker::Send + 'static,
            {}
            fn a_payload_arrives<T: #serde::de::DeserializeOwned + ::core::marker::Send + 'static>() {}
            fn a_result_travels<T: #serde::Serialize + ::core::marker::Send + 'static>() {}
            fn the_client_decodes_the_result<T: #serde::de::DeserializeOwned>() {}
            fn an_error_travels<E: ::core::convert::Into<#krate::Error>>() {}
            fn a_result_has_an_error_that_travels<T, E: ::core::convert::Into<#krate::Error>>(
                _: ::core::option::Option<::core::result::Result<T, E>>,
            ) {}
            #(#actions)*
            #(#events)*
            #(#hooks)*
        }
    }
}

fn action(action: &Action, has_client: bool) -> TokenStream {
    let cfgs = &action.method.cfgs;
    let data = data(&action.inputs, &quote!(an_argument_travels));
    let result = super::service::is_typed(&action.inputs).then(|| {
        let ok = &action.method.returns.ok;
        let span = located(ok.span());
        let decoded = (has_client && action.options.client)
            .then(|| quote_spanned!(span=> the_client_decodes_the_result::<#ok>();));
        quote_spanned!(span=> a_result_travels::<#ok>(); #decoded)
    });
    let failure = failure(&action.method);
    quote!(#(#cfgs)* { #data #result #failure })
}

fn event(event: &Event) -> TokenStream {
    let cfgs = &event.method.cfgs;
    let data = data(&event.inputs, &quote!(a_payload_arrives));
    let failure = failure(&event.method);
    quote!(#(#cfgs)* { #data #failure })
}

fn data(inputs: &Inputs, check: &TokenStream) -> TokenStream {
    let check_one = |ty: &dyn ToTokens, span| {
        let check: TokenStream = check
            .clone()
            .into_iter()
            .map(|mut token| {
                token.set_span(located(span));
                token
            })
            .collect();
        quote_spanned!(located(span)=> #check::<#ty>();)
    };
    match inputs {
        Inputs::Named(arguments) => {
            arguments.iter().map(|argument| check_one(&argument.ty, argument.ty.span())).collect()
        }
        Inputs::Whole(ty) => check_one(ty, ty.span()),
        // `Shared<T>` says itself what it asks of `T`.
        Inputs::Empty | Inputs::Shared(_) | Inputs::Raw => TokenStream::new(),
    }
}

fn failure(method: &Method) -> TokenStream {
    match &method.returns.err {
        Some(err) => quote_spanned!(located(err.span())=> an_error_travels::<#err>();),
        None => {
            let whole = &method.returns.whole;
            quote_spanned! {located(whole.span())=>
                a_result_has_an_error_that_travels(::core::option::Option::<#whole>::None);
            }
        }
    }
}
