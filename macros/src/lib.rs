//! The macros of ligand: `#[service]`, `#[client]` and `#[derive(ActionError)]`.
//!
//! The arguments of an action are wire format: each is a field of the params object, with the name of the
//! argument. `Params<T>` takes the whole object. Use the macros through the crate `ligand`, which re-exports
//! them.
//!
//! ```
//! use ligand::{Context, Result, ServiceBroker, service};
//! use serde_json::json;
//!
//! struct Greeter;
//!
//! #[service(name = "greeter")]
//! impl Greeter {
//!     #[action]
//!     async fn hello(&self, name: String) -> Result<String> {
//!         Ok(format!("Hello {name}!"))
//!     }
//!
//!     #[event("user.created")]
//!     async fn greet_newcomer(&self, ctx: Context, name: String) -> Result<()> {
//!         ctx.broadcast("greeter.greeted", json!({ "name": name })).await
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let broker = ServiceBroker::builder().service(Greeter).build()?;
//!     broker.start().await?;
//!     let text: String = broker.call("greeter.hello", json!({ "name": "Ada" })).await?;
//!     println!("{text} {}", GreeterClient::new(&broker).hello("Bob".into()).await?);
//!     Ok(broker.stop().await?)
//! }
//! ```
//!
//! Each macro works in three steps. `parse` reads tokens into the `ast`, and `check` applies the rules. Both
//! collect errors instead of stopping at the first one. `expand` then writes code, and cannot fail. Wrong
//! items are left out, and the rest still expands, so that one mistake does not remove a whole service.
#![forbid(unsafe_code)]

mod action_error;
mod ast;
mod check;
mod entries;
mod errors;
mod expand;
mod implements;
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

#[doc = include_str!("docs/service.md")]
#[proc_macro_attribute]
pub fn service(attr: TokenStream, item: TokenStream) -> TokenStream {
    service_tokens(attr.into(), item.into()).into()
}

#[doc = include_str!("docs/client.md")]
#[proc_macro_attribute]
pub fn client(attr: TokenStream, item: TokenStream) -> TokenStream {
    client_tokens(attr.into(), item.into()).into()
}

#[doc = include_str!("docs/action_error.md")]
#[proc_macro_derive(ActionError, attributes(action_error))]
pub fn action_error(input: TokenStream) -> TokenStream {
    action_error_tokens(input.into()).into()
}

/// Compares a contract with a service. Only code that the macros generate calls it.
#[doc(hidden)]
#[proc_macro]
pub fn __implements(input: TokenStream) -> TokenStream {
    implements::tokens(input.into()).into()
}

fn service_tokens(
    attr: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let parsed = parse::service(attr, item, &mut errors);
    let generated = parsed.ast.map(|mut service| {
        check::service(&mut service, &mut errors);
        // An interface with errors is neither compared nor stored.
        let schema = (errors.len() == 0).then(|| expand::schema::apply(&service, &mut errors));
        let implements = (errors.len() == 0).then(|| expand::implements(&service));
        let code = expand::service(&service);
        quote::quote!(#implements #code #schema)
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
