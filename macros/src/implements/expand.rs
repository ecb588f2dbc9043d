//! Compares types through the compiler: one bound for each, whose error names the contract, the action and
//! the argument.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Meta;
use syn::spanned::Spanned;

use super::compare::{Kept, KeptArgument};
use super::data::{Offer, Terms, facts};
use crate::expand::{located, quiet};

/// Code that compiles if every type is that of the contract.
pub(super) fn checks(terms: &Terms, offer: &Offer, kept: &[Kept<'_>]) -> TokenStream {
    let Offer { generics, bounds, .. } = offer;
    let quiet = quiet();
    let wrong = kept.iter().map(|kept| &kept.wrong);
    let absent = kept.iter().map(|one| absent(terms, offer, one, kept));
    let actions = kept.iter().map(|kept| action(terms, offer, kept));
    let error = error(terms, offer);
    quote! {
        #(#wrong)*
        #(#absent)*
        const _: () = {
            #quiet
            fn implements #generics () #bounds {
                #error
                #(#actions)*
            }
        };
    }
}

/// Reports an action as missing where none of its conditions is true.
fn absent(terms: &Terms, offer: &Offer, one: &Kept<'_>, kept: &[Kept<'_>]) -> TokenStream {
    let alike: Vec<_> = kept.iter().filter(|other| other.index == one.index).collect();
    let is_first = alike.first().is_some_and(|first| std::ptr::eq(*first, one));
    if !is_first || alike.iter().any(|kept| kept.action.cfgs.is_empty()) {
        return TokenStream::new();
    }
    let conditions = alike.iter().map(|kept| {
        let metas = kept.action.cfgs.iter().filter_map(|cfg| match &cfg.meta {
            Meta::List(list) => Some(&list.tokens),
            _ => None,
        });
        among("all", &metas.map(|tokens| quote!(#tokens)).collect::<Vec<_>>())
    });
    let condition = among("any", &conditions.collect::<Vec<_>>());
    let message = format!(
        "the contract `{}` asks for the action `{}`; this service has it under a `cfg` that does not hold",
        terms.contract, one.term.text
    );
    let error = syn::Error::new_spanned(&offer.ident, message).to_compile_error();
    quote!(#[cfg(not(#condition))] const _: () = { #error };)
}

/// `all(a, b)`, or `a` alone, because Clippy objects to a list with one element.
fn among(which: &str, conditions: &[TokenStream]) -> TokenStream {
    match conditions {
        [one] => one.clone(),
        _ => {
            let which = Ident::new(which, Span::call_site());
            quote!(#which(#(#conditions),*))
        }
    }
}

fn action(terms: &Terms, offer: &Offer, kept: &Kept<'_>) -> TokenStream {
    let Kept { index, term, action, arguments, .. } = kept;
    let (contract, name, path) = (&terms.contract, &term.name, &offer.path);
    let cfgs = &action.cfgs;
    let arguments = arguments.iter().map(|KeptArgument { index: argument, wire, ty }| {
        let what = match wire {
            Some(wire) => format!("the argument `{wire}` of the action `{name}`"),
            None => format!("the whole object that the action `{name}` takes"),
        };
        let fact = facts::argument(*index, *argument);
        same(&what, contract, &quote!(<#path>::#fact()), *ty)
    });
    let result = action.ok.as_ref().map(|ok| {
        let fact = facts::result(*index);
        same(&format!("the result of the action `{name}`"), contract, &quote!(<#path>::#fact()), ok)
    });
    let failure = terms.error.as_ref().map(|_| failure(contract, name, offer, kept));
    quote!(#(#cfgs)* { #(#arguments)* #result #failure })
}

/// Compares the `error`, if both the service and the contract name one.
fn error(terms: &Terms, offer: &Offer) -> Option<TokenStream> {
    let (error, _) = (offer.error.as_ref()?, terms.error.as_ref()?);
    let (path, fact) = (&offer.path, facts::error());
    let check = same("the `error` of the service", &terms.contract, &quote!(<#path>::#fact()), error);
    Some(quote!({ #check }))
}

/// Checks that `ty` is the type that `fact` returns.
fn same(
    what: &str,
    contract: &str,
    fact: &TokenStream,
    ty: &(impl quote::ToTokens + Spanned),
) -> TokenStream {
    let message = format!("{what} is `{{C}}` in the contract `{contract}` and `{{Self}}` here");
    let label = format!("not what the contract `{contract}` says");
    let check = quote_spanned!(located(ty.span())=> Term(#fact).is_kept::<#ty>(););
    quote!({
        #[diagnostic::on_unimplemented(message = #message, label = #label)]
        trait IsWhatTheContractSays<C> {}
        #[diagnostic::do_not_recommend]
        impl<C> IsWhatTheContractSays<C> for C {}
        struct Term<C>(::core::marker::PhantomData<fn() -> C>);
        impl<C> Term<C> {
            fn is_kept<T: IsWhatTheContractSays<C>>(self) {}
        }
        #check
    })
}

/// Checks that the action returns the contract's error, or any `ligand::Error`.
fn failure(contract: &str, name: &str, offer: &Offer, kept: &Kept<'_>) -> TokenStream {
    let (krate, path, fact) = (&offer.krate, &offer.path, facts::error());
    let returns = &kept.action.returns;
    let message = format!(
        "the action `{name}` fails with `{{C}}` or `ligand::Error` in the contract `{contract}`, and with `{{Self}}` here"
    );
    let label = format!("not what the contract `{contract}` says");
    let check = quote_spanned! {located(returns.span())=>
        Term(<#path>::#fact()).is_kept(::core::option::Option::<#returns>::None);
    };
    quote!({
        #[diagnostic::on_unimplemented(message = #message, label = #label)]
        trait FailsAsTheContractSays<C> {}
        #[diagnostic::do_not_recommend]
        impl<C, E: #krate::__private::FailsWith<C>> FailsAsTheContractSays<C> for E {}
        struct Term<C>(::core::marker::PhantomData<fn() -> C>);
        impl<C> Term<C> {
            fn is_kept<T, E: FailsAsTheContractSays<C>>(
                self,
                _: ::core::option::Option<::core::result::Result<T, E>>,
            ) {}
        }
        #check
    })
}
