//! What a contract generates for the services that implement it: a type that gives access to its types, and a
//! macro that knows its names. Both have the name of the trait. So one `use` imports both, and a path to one
//! is a path to the other.

use std::hash::{DefaultHasher, Hash, Hasher};

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Ident, Type, Visibility};

use super::quiet;
use crate::ast::{Contract, ContractMethod, Inputs};
use crate::implements::{Term, TermData, Terms, facts};
use crate::wire::{self, compact};

/// The type, and the macro.
pub(super) fn terms(contract: &Contract) -> TokenStream {
    let Contract { ident, client, .. } = contract;
    let vis = &client.vis;
    let quiet = quiet();
    let doc = format!(
        "What the service `{0}` has to offer. [`{1}`] calls it; a service keeps to it by \
         `#[service(name = \"…\", implements = {2})]`.",
        contract.name.full(),
        client.ident,
        ident,
    );
    let facts = contract.methods.iter().enumerate().map(|(index, method)| facts_of(index, method, vis));
    let error = contract.error.as_ref().map(|error| fact(&facts::error(), &syn::parse_quote!(#error), vis));
    let names = names(contract);
    quote! {
        #[doc = #doc]
        #quiet
        #[derive(::core::fmt::Debug)]
        #vis enum #ident {}

        #quiet
        #[allow(private_interfaces, unreachable_pub)]
        impl #ident {
            #(#facts)*
            #error
        }

        #names
    }
}

fn facts_of(index: usize, method: &ContractMethod, vis: &Visibility) -> TokenStream {
    let arguments: Vec<&Type> = match &method.inputs {
        Inputs::Named(arguments) => arguments.iter().map(|argument| &argument.ty).collect(),
        Inputs::Whole(ty) | Inputs::Shared(ty) => vec![ty],
        Inputs::Empty | Inputs::Raw => Vec::new(),
    };
    let arguments =
        arguments.into_iter().enumerate().map(|(at, ty)| fact(&facts::argument(index, at), ty, vis));
    let result = fact(&facts::result(index), &method.output, vis);
    let cfgs = &method.cfgs;
    [result].into_iter().chain(arguments).map(|fact| quote!(#(#cfgs)* #fact)).collect()
}

/// A function instead of an associated type, which would have to be as public as the contract.
fn fact(name: &Ident, ty: &Type, vis: &Visibility) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #vis fn #name() -> ::core::marker::PhantomData<fn() -> #ty> {
            ::core::marker::PhantomData
        }
    }
}

/// The macro, and its name. An exported `macro_rules!` has one name for the whole crate, so `use` gives it
/// the name by which it is known.
fn names(contract: &Contract) -> TokenStream {
    let Contract { ident, client, .. } = contract;
    let vis = &client.vis;
    let terms = terms_of(contract);
    let hidden = hidden_name(contract);
    let export = matches!(vis, Visibility::Public(_)).then(|| quote!(#[macro_export]));
    quote! {
        #[doc(hidden)]
        #export
        #[allow(unused_macros, non_local_definitions)]
        macro_rules! #hidden {
            ({ $($krate:tt)* } $($offer:tt)*) => {
                $($krate)* ::__private::__implements! { { #terms } { $($krate)* } $($offer)* }
            };
        }
        #[doc(hidden)]
        #[allow(unused_imports, unreachable_pub)]
        #vis use #hidden as #ident;
    }
}

pub(crate) fn terms_of(contract: &Contract) -> Terms {
    Terms {
        contract: contract.ident.to_string(),
        service: contract.name.full(),
        error: contract.error.as_ref().map(|error| compact(&syn::parse_quote!(#error))),
        actions: contract.methods.iter().map(|method| term(method, contract)).collect(),
    }
}

fn term(method: &ContractMethod, contract: &Contract) -> Term {
    let (data, arguments) = match &method.inputs {
        Inputs::Whole(ty) | Inputs::Shared(ty) => {
            (TermData::Whole(compact(ty)), format!("Params<{}>", compact(ty)))
        }
        Inputs::Named(arguments) => {
            let named: Vec<_> =
                arguments.iter().map(|argument| (argument.wire.clone(), compact(&argument.ty))).collect();
            let text: Vec<_> = named.iter().map(|(wire, ty)| format!("{wire}: {ty}")).collect();
            (TermData::Named(named), text.join(", "))
        }
        Inputs::Empty | Inputs::Raw => (TermData::Named(Vec::new()), String::new()),
    };
    let error = contract
        .error
        .as_ref()
        .map_or(String::new(), |error| format!(", {}", compact(&syn::parse_quote!(#error))));
    let result = wire::compact(&method.output);
    Term {
        name: method.name.text.clone(),
        text: format!("{}({arguments}) -> Result<{result}{error}>", method.name.text),
        conditional: !method.cfgs.is_empty(),
        data,
    }
}

/// A different name for each contract of a crate, made from its position and its content.
fn hidden_name(contract: &Contract) -> Ident {
    let mut hasher = DefaultHasher::new();
    if proc_macro::is_available() {
        let place = proc_macro::Span::call_site();
        (place.file(), place.line(), place.column()).hash(&mut hasher);
    }
    contract.name.full().hash(&mut hasher);
    terms_of(contract).into_token_stream().to_string().hash(&mut hasher);
    let name = format!("__{}_contract_{:016x}", contract.ident.unraw(), hasher.finish());
    Ident::new(&name, Span::call_site())
}
