//! What the macros say about mistakes, and what they make of correct code.

mod contract_messages;
mod contracts;
mod expansion;
mod messages;

use proc_macro2::TokenStream;

use crate::ast::Service;
use crate::errors::Errors;
use crate::{check, expand, parse};

/// The checked service, for code without mistakes.
pub(crate) fn service_of(attr: TokenStream, item: TokenStream) -> Service {
    let mut errors = Errors::default();
    let mut service = parse::service(attr, item, &mut errors).ast.unwrap();
    check::service(&mut service, &mut errors);
    assert_eq!(errors.messages(), [""; 0]);
    service
}

/// All mistakes in a service, in the order they are reported.
fn service_mistakes(attr: TokenStream, item: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    if let Some(mut service) = parse::service(attr, item, &mut errors).ast {
        check::service(&mut service, &mut errors);
        // Whatever is left has to be fit for expansion.
        expand::service(&service);
    }
    errors.messages()
}

/// All mistakes in a client, in the order they are reported.
fn client_mistakes(attr: TokenStream, item: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    if let Some(mut contract) = parse::contract(attr, item, &mut errors) {
        check::contract(&mut contract, &mut errors);
        expand::contract(&contract);
    }
    errors.messages()
}
