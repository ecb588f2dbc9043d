//! Generates the typed client: one method for each action. A broker, a context or a mock makes its calls.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Ident, Path, Type};

use super::params::{self, Travels};
use super::{checks, located, quiet, terms};
use crate::ast::{Client, Contract, Inputs, Service};

/// A method of the client.
struct Method<'a> {
    ident: &'a Ident,
    docs: &'a [Attribute],
    cfgs: &'a [Attribute],
    /// `v1.trips.request`
    action: String,
    inputs: &'a Inputs,
    params: Ident,
    /// `None` for raw actions. Their result has no known type.
    output: Option<&'a Type>,
}

/// The client of a service in this crate.
pub(super) fn of_service(service: &Service) -> TokenStream {
    let Some(client) = &service.client else { return TokenStream::new() };
    let full = service.name.full();
    let methods: Vec<Method<'_>> = service
        .actions
        .iter()
        .filter(|action| action.options.client)
        .map(|action| Method {
            ident: &action.method.ident,
            docs: &action.method.docs,
            cfgs: &action.method.cfgs,
            action: format!("{full}.{}", action.name.text),
            inputs: &action.inputs,
            params: params::ident(&service.ident, &action.method.ident),
            output: action.inputs.is_typed().then_some(&action.method.returns.ok),
        })
        .collect();
    let doc = format!("Calls the service `{full}` through a broker, a context or a mock.");
    definition(&Definition {
        client,
        docs: &quote!(#[doc = #doc]),
        full: &full,
        methods: &methods,
        error: service.error.as_ref(),
        made: "of_service",
        krate: &service.krate,
    })
}

/// The client of a service that is defined elsewhere, with the structs for its params.
pub(crate) fn contract(contract: &Contract) -> TokenStream {
    let full = contract.name.full();
    let methods: Vec<Method<'_>> = contract
        .methods
        .iter()
        .map(|method| Method {
            ident: &method.ident,
            docs: &method.docs,
            cfgs: &method.cfgs,
            action: format!("{full}.{}", method.name.text),
            inputs: &method.inputs,
            // The name of the client distinguishes these from a service with the name of the trait.
            params: params::ident(&contract.client.ident, &method.ident),
            output: Some(&method.output),
        })
        .collect();
    let structs = methods.iter().map(|method| {
        params::definition(
            method.inputs,
            &method.params,
            &method.action,
            method.cfgs,
            Travels::Out,
            &contract.krate,
        )
    });
    let docs = match &contract.docs[..] {
        [] => {
            let doc =
                format!("Calls the service `{full}`, as the contract `{}` describes it.", contract.ident);
            quote!(#[doc = #doc])
        }
        docs => quote!(#(#docs)*),
    };
    let client = definition(&Definition {
        client: &contract.client,
        docs: &docs,
        full: &full,
        methods: &methods,
        error: contract.error.as_ref(),
        made: "of_contract",
        krate: &contract.krate,
    });
    let checks = checks::contract(contract);
    let terms = terms::terms(contract);
    quote! {
        // First, because the compiler reports errors in this order, and these errors are the clearest.
        const _: () = { #checks };
        #(#structs)*
        #client
        #terms
    }
}

/// The parts of a client.
struct Definition<'a> {
    client: &'a Client,
    docs: &'a TokenStream,
    /// Full name of the service.
    full: &'a str,
    methods: &'a [Method<'a>],
    error: Option<&'a Path>,
    /// The function of `Target` that makes it. The rules for names differ between own services and those of
    /// others.
    made: &'static str,
    krate: &'a Path,
}

fn definition(definition: &Definition<'_>) -> TokenStream {
    let Definition { client, docs, full, methods, error, made, krate } = *definition;
    let Client { vis, ident } = client;
    let quiet = quiet();
    let made = Ident::new(made, Span::call_site());
    let text = ident.to_string();
    let methods = methods.iter().map(|one| method(one, client, error, krate));
    quote! {
        #docs
        #quiet
        #[derive(Clone)]
        #vis struct #ident<'a> {
            target: #krate::__private::Target<'a>,
        }

        #quiet
        impl<'a> #ident<'a> {
            /// The full name of the service in the source, with its version.
            #vis const NAME: &'static str = #full;

            /// A client that calls through `caller`, borrowed (`&broker`, `&ctx`) or owned (`broker.clone()`).
            #[must_use]
            #vis fn new(caller: impl ::core::convert::Into<#krate::call::AnyCaller<'a>>) -> Self {
                Self { target: #krate::__private::Target::#made(caller, #full) }
            }

            /// A client of a service of the same kind with another full name, such as `v2.stock-eu`. If the name
            /// is invalid, the calls fail.
            #[must_use]
            #vis fn named(self, service: impl ::core::convert::Into<#krate::Name>) -> Self {
                Self { target: self.target.named(service) }
            }

            #(#methods)*
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #ident<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text).finish_non_exhaustive()
            }
        }
    }
}

fn method(method: &Method<'_>, client: &Client, error: Option<&Path>, krate: &Path) -> TokenStream {
    let Method { ident, cfgs, action, params, .. } = method;
    let vis = &client.vis;
    let docs = match method.docs {
        [] => {
            let doc = format!("Calls `{action}`.");
            quote!(#[doc = #doc])
        }
        docs => quote!(#(#docs)*),
    };
    let value = quote!(#krate::__private::Value);
    let output = method.output.map_or(value, |ty| quote!(#ty));
    let (arguments, params_ty, params) = match method.inputs {
        Inputs::Empty => (quote!(), quote!(#krate::Empty), quote!(#krate::Empty {})),
        Inputs::Named(arguments) => {
            let (names, types) =
                arguments
                    .iter()
                    .map(|argument| (&argument.ident, &argument.ty))
                    .collect::<(Vec<_>, Vec<_>)>();
            (quote!(, #(#names: #types),*), quote!(#params), quote!(#params { #(#names),* }))
        }
        Inputs::Whole(ty) | Inputs::Shared(ty) => (quote!(, params: #ty), quote!(#ty), quote!(params)),
        Inputs::Raw => (
            quote!(, params: impl #krate::__private::serde::Serialize + ::core::marker::Send + 'static),
            quote!(_),
            quote!(params),
        ),
    };
    let span = located(ident.span());
    let (call, fails) = match error {
        None => (quote_spanned!(span=> call::<#params_ty, #output>), None),
        Some(error) => (
            quote_spanned!(span=> call_of::<#params_ty, #output, #error>),
            Some(quote!(, #krate::call::ByService<#error>)),
        ),
    };
    let body = quote_spanned!(span=> #krate::__private::#call(&self.target, #action, #params));
    quote! {
        #docs
        #(#cfgs)*
        #vis fn #ident(&self #arguments) -> #krate::call::Call<'a, #output #fails> {
            #body
        }
    }
}
