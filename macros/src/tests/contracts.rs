//! What is said of a service that does not keep its contract, as far as names tell.

use proc_macro2::TokenStream;
use quote::quote;

use super::service_of;
use crate::errors::Errors;
use crate::{expand, implements, parse};

fn contract() -> TokenStream {
    quote! {
        trait Stock {
            async fn reserve(sku: String, #[allow(unused)] pieces: u32) -> Reservation;
            #[action(name = "list.all", rename(only_free = "onlyFree"))]
            async fn list(only_free: Option<bool>) -> Vec<Reservation>;
            async fn import(#[params] all: Cart);
        }
    }
}

/// What the compiler is given for a service of these methods.
fn compared(attr: &TokenStream, methods: &TokenStream) -> String {
    let mut errors = Errors::default();
    let contract = parse::contract(quote!(name = "stock"), contract(), &mut errors).unwrap();
    assert_eq!(errors.messages(), [""; 0]);
    let service = service_of(quote!(#attr, implements = Stock), quote!(impl Warehouse { #methods }));
    let (terms, offer) = (expand::terms_of(&contract), expand::offer_of(&service).unwrap());
    implements::tokens(quote!({ #terms } #offer)).to_string()
}

fn kept() -> TokenStream {
    quote! {
        #[action]
        async fn reserve(&self, pieces: u32, sku: String, note: Option<u8>) -> Result<Reservation> {}
        #[action(name = "list.all")]
        async fn list(&self, onlyFree: Option<bool>) -> Result<Vec<Reservation>> {}
        #[action]
        async fn import(&self, all: Params<Cart>) -> Result<()> {}
        #[action]
        async fn more(&self) -> Result<()> {}
    }
}

#[test]
fn a_service_that_has_all_names_is_left_to_the_compiler() {
    let code = compared(&quote!(name = "stock"), &kept());
    assert!(!code.contains("compile_error"), "{code}");
    for part in [
        "the argument `sku` of the action `reserve` is `{C}` in the contract `Stock` and `{Self}` here",
        "the argument `onlyFree` of the action `list.all` is `{C}`",
        "the whole object that the action `import` takes is `{C}`",
        "the result of the action `reserve` is `{C}`",
    ] {
        assert!(code.contains(part), "{part}: {code}");
    }
    assert!(!code.contains("`note`") && !code.contains("`more`"), "{code}");
}

#[test]
fn what_a_service_lacks_is_named() {
    let without = |from: &str, to: &str| -> TokenStream {
        let text = kept().to_string();
        assert!(text.contains(from), "{from}: {text}");
        text.replace(from, to).parse().unwrap()
    };
    for (attr, methods, expected) in [
        (
            quote!(name = "stock", version = 2),
            kept(),
            "is of the service `stock`; this one is called `v2.stock`",
        ),
        (
            quote!(name = "stock"),
            without("fn reserve", "fn reserved"),
            "asks for the action `reserve(sku: String, pieces: u32) -> Result<Reservation>`; this service has none of \
             that name; is `reserved` meant to be it?",
        ),
        (
            quote!(name = "stock"),
            without("\"list.all\"", "\"every\""),
            "asks for the action `list.all(onlyFree: Option<bool>) -> Result<Vec<Reservation>>`; this service has none \
             of that name\"",
        ),
        (
            quote!(name = "stock"),
            without("pieces :", "amount :"),
            "gives the action `reserve` the argument `pieces: u32`; here it has none of that name\"",
        ),
        (
            quote!(name = "stock"),
            without("note : Option < u8 >", "note : u8"),
            "gives the action `reserve` no argument `note`, so its callers leave it out",
        ),
        (
            quote!(name = "stock"),
            without("all : Params < Cart >", "items : Cart"),
            "gives the action `import` one `Cart` as the whole object, and here its arguments are fields",
        ),
        (
            quote!(name = "stock"),
            without("onlyFree : Option < bool >", "all : Params < bool >"),
            "gives the action `list.all` arguments by name, and here it takes the whole object",
        ),
    ] {
        let code = compared(&attr, &methods);
        assert!(code.contains(expected) && code.contains("compile_error"), "{expected}: {code}");
    }
}
