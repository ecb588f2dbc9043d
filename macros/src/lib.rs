//! The macros of ligand. Use them through the `ligand` crate, which re-exports them.

mod action_error;
mod ast;
mod check;
mod entries;
mod errors;
mod expand;
mod names;
mod options;
mod parse;
mod signature;
mod suggest;
#[cfg(test)]
mod tests;
mod wire;

use proc_macro::TokenStream;

use errors::Errors;

#[proc_macro_attribute]
pub fn service(attr: TokenStream, item: TokenStream) -> TokenStream {
    service_tokens(attr.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn client(attr: TokenStream, item: TokenStream) -> TokenStream {
    client_tokens(attr.into(), item.into()).into()
}

#[proc_macro_derive(ActionError, attributes(action_error))]
pub fn action_error(input: TokenStream) -> TokenStream {
    action_error_tokens(input.into()).into()
}

fn service_tokens(
    attr: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let parsed = parse::service(attr, item, &mut errors);
    let generated = parsed.ast.map(|mut service| {
        check::service(&mut service, &mut errors);
        // A half-understood interface is nothing to compare or to keep.
        let schema = (errors.len() == 0).then(|| expand::schema::apply(&service, &mut errors));
        let code = expand::service(&service);
        quote::quote!(#code #schema)
    });
    let (item, errors) = (parsed.item, errors.into_tokens());
    quote::quote!(#item #errors #generated)
}

fn client_tokens(attr: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let generated = parse::contract(attr, item, &mut errors).map(|mut contract| {
        check::contract(&mut contract, &mut errors);
        expand::contract(&contract)
    });
    let errors = errors.into_tokens();
    quote::quote!(#errors #generated)
}

fn action_error_tokens(input: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let generated = action_error::parse(input, &mut errors).map(|error| expand::action_error(&error));
    let errors = errors.into_tokens();
    quote::quote!(#errors #generated)
}
