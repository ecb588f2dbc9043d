//! Trait bounds, written where an error can point at the user's types.
//!
//!
//! The functions are never called. Errors contain their names ("required by a bound in
//! `an_argument_travels`"), so the names state the reason.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, Type, parse_quote};

use super::{at, invocation, located, params, quiet};
use crate::ast::{Action, Contract, Event, Inputs, Method, Service, Slot};
use crate::wire;

/// A function that compiles if all types of the interface satisfy their bounds.
pub(super) fn service(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let serde = quote!(#krate::__private::serde);
    let quiet = quiet();
    let (impl_generics, _, where_clause) = service.generics.split_for_impl();
    let of_error = of_error(service.error.as_ref(), krate);
    let shared = one("a_service_is_shared_between_threads", &service.self_ty);
    let actions = service.actions.iter().map(|item| action(item, service));
    let events = service.events.iter().map(|item| event(item, service));
    let hooks = service.started.iter().chain(&service.stopped).map(|hook| {
        let failure = failure(&hook.method);
        let cfgs = &hook.method.cfgs;
        quote!(#(#cfgs)* { #failure })
    });
    quote! {
        #quiet
        fn checks #impl_generics () #where_clause {
            fn a_service_is_shared_between_threads<T: ::core::marker::Send + ::core::marker::Sync + 'static>() {}
            fn an_argument_travels<T>()
            where
                // Not `DeserializeOwned`: for `Deserialize`, the error of serde says what to derive.
                T: #serde::Serialize + for<'de> #serde::Deserialize<'de> + ::core::marker::Send + 'static,
            {}
            fn an_argument_arrives<T: for<'de> #serde::Deserialize<'de> + ::core::marker::Send + 'static>() {}
            fn a_payload_arrives<T: for<'de> #serde::Deserialize<'de> + ::core::marker::Send + 'static>() {}
            fn a_shared_payload_arrives<T: #krate::EventData>() {}
            fn a_result_travels<T: #serde::Serialize + ::core::marker::Send + 'static>() {}
            fn the_client_decodes_the_result<T: for<'de> #serde::Deserialize<'de>>() {}
            fn an_error_travels<E: #krate::__private::Travels>() {}
            fn a_result_has_an_error_that_travels<T, E: #krate::__private::Travels>(
                _: ::core::option::Option<::core::result::Result<T, E>>,
            ) {}
            fn a_handler_may_change_threads<F: ::core::future::Future + ::core::marker::Send>(_: F) {}
            #of_error
            #shared
            #(#actions)*
            #(#events)*
            #(#hooks)*
        }
    }
}

/// The same for the types of a contract. The client encodes or decodes all of them.
pub(super) fn contract(contract: &Contract) -> TokenStream {
    let serde = {
        let krate = &contract.krate;
        quote!(#krate::__private::serde)
    };
    let quiet = quiet();
    let of_error = of_error(contract.error.as_ref(), &contract.krate);
    let methods = contract.methods.iter().map(|method| {
        let cfgs = &method.cfgs;
        let data = data(&method.inputs, "an_argument_can_be_sent");
        let result = one("the_client_decodes_the_result", &method.output);
        let own = own_error(method.failure.as_ref(), None, &contract.error);
        quote!(#(#cfgs)* { #data #result #own })
    });
    quote! {
        #quiet
        fn checks() {
            #of_error
            fn an_argument_can_be_sent<T: #serde::Serialize + ::core::marker::Send + 'static>() {}
            fn the_client_decodes_the_result<T>()
            where
                T: for<'de> #serde::Deserialize<'de> + ::core::marker::Send + 'static,
            {}
            #(#methods)*
        }
    }
}

fn action(action: &Action, service: &Service) -> TokenStream {
    let cfgs = &action.method.cfgs;
    let in_client = action.in_client(service);
    let data = data(&action.inputs, if in_client { "an_argument_travels" } else { "an_argument_arrives" });
    let result = action.inputs.is_typed().then(|| {
        let ok = &action.method.returns.ok;
        let decoded = in_client.then(|| one("the_client_decodes_the_result", ok));
        let travels = one("a_result_travels", ok);
        quote!(#travels #decoded)
    });
    let failure = failure(&action.method);
    let future =
        action.method.is_async.then(|| future(&action.method, &action.inputs, &action.slots, service));
    let own =
        own_error(action.method.returns.err.as_ref(), Some(&action.method.returns.whole), &service.error);
    quote!(#(#cfgs)* { #data #result #failure #own #future })
}

fn event(event: &Event, service: &Service) -> TokenStream {
    let cfgs = &event.method.cfgs;
    let data = data(&event.inputs, "a_payload_arrives");
    let failure = failure(&event.method);
    let future = future(&event.method, &event.inputs, &event.slots, service);
    quote!(#(#cfgs)* { #data #failure #future })
}

/// `check::<Type>();`, with the position of the type.
fn one(check: &str, ty: &Type) -> TokenStream {
    let span = located(ty.span());
    let check = Ident::new(check, span);
    quote_spanned!(span=> #check::<#ty>();)
}

fn data(inputs: &Inputs, check: &str) -> TokenStream {
    match inputs {
        Inputs::Named(arguments) => arguments.iter().map(|argument| one(check, &argument.ty)).collect(),
        Inputs::Whole(ty) => one(check, ty),
        Inputs::Shared(ty) => one("a_shared_payload_arrives", ty),
        Inputs::Empty | Inputs::Raw => TokenStream::new(),
    }
}

fn failure(method: &Method) -> TokenStream {
    match &method.returns.err {
        Some(err) => one("an_error_travels", err),
        None => {
            let whole = &method.returns.whole;
            quote_spanned! {located(whole.span())=>
                a_result_has_an_error_that_travels(::core::option::Option::<#whole>::None);
            }
        }
    }
}

/// The bounds for the `error` of a service or a contract, and for the errors of its actions.
fn of_error(error: Option<&Path>, krate: &Path) -> TokenStream {
    let Some(error) = error else { return TokenStream::new() };
    let span = located(error.span());
    let read_back = quote_spanned!(span=> the_error_of_a_service_is_read_back::<#error>(););
    quote! {
        fn the_error_of_a_service_is_read_back<E: #krate::__private::ErrorOfService>() {}
        fn an_action_fails_with_the_error_of_its_service<S, E: #krate::__private::FailsWith<S>>() {}
        fn a_result_fails_with_the_error_of_its_service<S, T, E: #krate::__private::FailsWith<S>>(
            _: ::core::option::Option<::core::result::Result<T, E>>,
        ) {}
        #read_back
    }
}

/// Compares the error of an action with that of its service. Nothing if both are written in the same way.
fn own_error(written: Option<&Type>, whole: Option<&Type>, error: &Option<Path>) -> TokenStream {
    let Some(error) = error else { return TokenStream::new() };
    match (written, whole) {
        (Some(err), _) if wire::compact(err) == wire::compact(&parse_quote!(#error)) => TokenStream::new(),
        (Some(err), _) => {
            quote_spanned!(located(err.span())=> an_action_fails_with_the_error_of_its_service::<#error, #err>();)
        }
        (None, Some(whole)) => quote_spanned! {located(whole.span())=>
            a_result_fails_with_the_error_of_its_service::<#error, _, _>(::core::option::Option::<#whole>::None);
        },
        (None, None) => TokenStream::new(),
    }
}

/// Reports a future that is not `Send` at the method instead of the generated code.
fn future(method: &Method, inputs: &Inputs, slots: &[Slot], service: &Service) -> TokenStream {
    let span = located(method.ident.span());
    let krate = at(&service.krate, span);
    let self_ty = &service.self_ty;
    let params = params::ty(inputs, &params::ident(&service.ident, &method.ident), &krate);
    let call = invocation::method(method, slots, self_ty, &krate);
    quote_spanned! {span=>
        let _ = |__this: #krate::__private::Arc<#self_ty>, ctx: #krate::Context, params: #params| {
            a_handler_may_change_threads(#call)
        };
    }
}
