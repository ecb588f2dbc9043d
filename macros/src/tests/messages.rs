//! One case per message: each mistake alone, and nothing else reported beside it.

use quote::quote;

use super::service_mistakes;

/// The mistakes in one method (given as text) of an otherwise sound service.
fn method(text: &str) -> Vec<String> {
    let method: proc_macro2::TokenStream = text.parse().unwrap();
    service_mistakes(quote!(name = "trips"), quote!(impl<S: Store> Trips<S> { #method }))
}

/// Each message must be the only one and contain the expected words.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let found = method(text);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{text}\nexpected: {expected}\nfound: {found:#?}"
        );
    }
}

#[test]
fn a_sound_service_has_no_mistakes() {
    assert_eq!(
        method(
            "#[action] async fn a(&self, ctx: ligand::Context, x: u8, y: Option<String>) -> ligand::Result<u8> {}
             #[action(blocking)] fn b(self: Arc<Self>) -> Result<(), S::Error> {}
             #[action(raw)] async fn c(&self, payload: Payload, ctx: Context) -> Result<Reply, E> {}
             #[action(client = false)] async fn d(&self) -> Result<&'static str> {}
             #[cfg(unix)] #[action] async fn e(&self) -> Result<()> {}
             #[cfg(not(unix))] #[action] async fn e(&self) -> Result<u8> {}
             #[event(\"$node.*\")] async fn f(&self, all: Shared<T>) -> Result<()> {}
             #[started] async fn g(&self, cx: ServiceCx) -> Result<()> {}
             #[stopped] async fn h(&self) -> Result<()> {}
             fn helper<T>(&mut self, x: &T) {}"
        ),
        [""; 0]
    );
}

#[test]
fn receivers() {
    check(&[
        ("#[action] async fn a(x: u8) -> Result<()> {}", "add `&self` as its first argument"),
        ("#[action] async fn a(&mut self) -> Result<()> {}", "keep what changes behind a `Mutex`"),
        ("#[action] async fn a(self) -> Result<()> {}", "takes `&self`: the service stays"),
        (
            "#[event(\"x\")] async fn a(mut self: Box<Self>) -> Result<()> {}",
            "takes `&self`: the service stays",
        ),
    ]);
}

#[test]
fn shapes_of_functions() {
    check(&[
        ("#[action] fn a(&self) -> Result<()> {}", "an action is an `async fn`"),
        ("#[action(blocking)] async fn a(&self) -> Result<()> {}", "remove `async`, or `blocking`"),
        ("#[event(\"x\")] fn a(&self) -> Result<()> {}", "an event handler is an `async fn`"),
        ("#[started] fn a(&self) -> Result<()> {}", "a `#[started]` hook is an `async fn`"),
        ("#[action] async fn a<T: Wire>(&self) -> Result<()> {}", "cannot be generic"),
        ("#[action] async unsafe fn a(&self) -> Result<()> {}", "cannot be `unsafe`"),
        ("#[action] async extern \"C\" fn a(&self, ...) -> Result<()> {}", "variadic"),
    ]);
}

#[test]
fn arguments() {
    check(&[
        ("#[action] async fn a(&self, a: Context, b: Context) -> Result<()> {}", "one `Context` at most"),
        ("#[action] async fn a(&self, a: &Context) -> Result<()> {}", "take `Context` by value"),
        (
            "#[action] async fn a(&self, a: Params<T>, b: u8) -> Result<()> {}",
            "`b` stands beside the whole object",
        ),
        ("#[action] async fn a(&self, a: Params<T>, b: Params<U>) -> Result<()> {}", "can be taken once"),
        ("#[action] async fn a(&self, a: Params) -> Result<()> {}", "`Params<Cart>`"),
        ("#[action] async fn a(&self, a: &str) -> Result<()> {}", "`String` for `&str`"),
        ("#[action] async fn a(&self, a: Cow<'_, str>) -> Result<()> {}", "only `'static` is possible"),
        ("#[action] async fn a(&self, a: impl Wire) -> Result<()> {}", "`impl Trait` names none"),
        ("#[action] async fn a(&self, a: Vec<Self>) -> Result<()> {}", "the type's name instead of `Self`"),
        ("#[action] async fn a(&self, a: S) -> Result<()> {}", "`S` is a parameter of the impl"),
        ("#[action] async fn a(&self, (a, b): (u8, u8)) -> Result<()> {}", "an argument needs a plain name"),
        ("#[action] async fn a(&self, _: u8) -> Result<()> {}", "an argument needs a plain name"),
        ("#[action] async fn a(&self, #[cfg(unix)] a: u8) -> Result<()> {}", "cannot depend on a `cfg`"),
        ("#[action] async fn a(&self, a: Payload) -> Result<()> {}", "write `#[action(raw)]`"),
        (
            "#[action(raw)] async fn a(&self, a: u8) -> Result<Reply> {}",
            "takes `Context` and `Payload` and nothing",
        ),
        (
            "#[action(raw)] async fn a(&self, a: Payload, b: Payload) -> Result<Reply> {}",
            "one `Payload` at most",
        ),
        (
            "#[event(\"x\")] async fn a(&self, a: Shared<T>, b: u8) -> Result<()> {}",
            "stands beside the whole object",
        ),
        ("#[started] async fn a(&self, a: u8) -> Result<()> {}", "if wanted, one `ServiceCx`"),
        ("#[stopped] async fn a(&self, a: ServiceCx) -> Result<()> {}", "`&self` and nothing else"),
    ]);
}

#[test]
fn renames() {
    check(&[
        (
            "#[action(rename(nmae = \"n\"))] async fn a(&self, name: u8) -> Result<()> {}",
            "unknown argument `nmae`, did you mean `name`? supported arguments are: name",
        ),
        ("#[action(rename(a = \"n\"))] async fn a(&self) -> Result<()> {}", "there are none"),
        (
            "#[action(rename(a = \"b\"))] async fn a(&self, a: u8, b: u8) -> Result<()> {}",
            "two arguments are called `b`",
        ),
        ("#[action(rename(a = \"\"))] async fn a(&self, a: u8) -> Result<()> {}", "not empty"),
        ("#[action(rename = \"b\")] async fn a(&self, a: u8) -> Result<()> {}", "takes a list"),
    ]);
}

#[test]
fn results() {
    check(&[
        ("#[action] async fn a(&self) {}", "add `-> Result<()>`"),
        (
            "#[action] async fn a(&self) -> Option<u8> {}",
            "returns `Result<T>` or `Result<T, E>`, not `Option<u8>`",
        ),
        ("#[action] async fn a(&self) -> Result {}", "not `Result`"),
        ("#[action] async fn a(&self) -> Result<&'static str> {}", "`#[action(client = false)]`"),
        ("#[action] async fn a(&self) -> Result<impl Wire> {}", "the result needs one type"),
        ("#[action] async fn a(&self) -> Result<Vec<S>> {}", "`S` is a parameter of the impl"),
        ("#[action(raw)] async fn a(&self) -> Result<u8> {}", "it returns `Result<Reply>`"),
        ("#[event(\"x\")] async fn a(&self) -> Result<u8> {}", "nobody receives a value"),
        ("#[stopped] async fn a(&self) -> Result<u8> {}", "nobody receives a value"),
    ]);
}

#[test]
fn options_of_actions() {
    check(&[
        (
            "#[action(tiemout = \"3s\")] async fn a(&self) -> Result<()> {}",
            "unknown option `tiemout`, did you mean `timeout`? supported options are: name, timeout, visibility",
        ),
        ("#[action(bulkhead = 3)] async fn a(&self) -> Result<()> {}", "goes into `extra(bulkhead = …)`"),
        ("#[action(timeout = \"3x\")] async fn a(&self) -> Result<()> {}", "`3x` is no duration"),
        (
            "#[action(timeout = 0)] async fn a(&self) -> Result<()> {}",
            "write `timeout = \"never\"` for no limit",
        ),
        (
            "#[action(timeout = \"0s\")] async fn a(&self) -> Result<()> {}",
            "a timeout of zero would fail every call",
        ),
        ("#[action(timeout = \"Never\")] async fn a(&self) -> Result<()> {}", "`Never` is no duration"),
        ("#[action(timeout = true)] async fn a(&self) -> Result<()> {}", "takes a string or a number"),
        ("#[action(timeout)] async fn a(&self) -> Result<()> {}", "takes a string or a number"),
        (
            "#[action(visibility = \"privat\")] async fn a(&self) -> Result<()> {}",
            "unknown value `privat`, did you mean `private`? supported values are: published",
        ),
        ("#[action(visibility = private)] async fn a(&self) -> Result<()> {}", "takes a string"),
        ("#[action(name = 3)] async fn a(&self) -> Result<()> {}", "`name` takes a string"),
        ("#[action(name = \"$x\")] async fn a(&self) -> Result<()> {}", "reserved for the broker itself"),
        (
            "#[action(name = \"a b\")] async fn a(&self) -> Result<()> {}",
            "cannot be part of the name of an action",
        ),
        ("#[action(\"book\")] async fn a(&self) -> Result<()> {}", "`name = \"book\"`"),
        ("#[action(spawn = true)] async fn a(&self) -> Result<()> {}", "write `spawn` without a value"),
        ("#[action(spawn, spawn)] async fn a(&self) -> Result<()> {}", "`spawn` is given twice"),
        (
            "#[action(spawn, blocking)] fn a(&self) -> Result<()> {}",
            "`spawn` and `blocking` exclude each other",
        ),
        (
            "#[action(raw, blocking)] fn a(&self) -> Result<Reply> {}",
            "`raw` and `blocking` exclude each other",
        ),
        ("#[action(client)] async fn a(&self) -> Result<()> {}", "takes `true` or `false`"),
        (
            "#[action(strict = 3)] async fn a(&self) -> Result<()> {}",
            "or is `strict = true` or `strict = false`",
        ),
        (
            "#[action(strict)] async fn a(&self, a: Params<Cart>) -> Result<()> {}",
            "write `#[serde(deny_unknown_fields)]` on `Cart`",
        ),
        (
            "#[action(strict, raw)] async fn a(&self) -> Result<Reply> {}",
            "a raw action reads its params itself",
        ),
        ("#[event(\"x\", strict)] async fn a(&self, a: u8) -> Result<()> {}", "unknown option `strict`"),
        (
            "#[action] async fn a(&self, a: u8, _a: u8) -> Result<()> {}",
            "two arguments are called `a` on the wire",
        ),
        ("#[action(extra(timeout = 3))] async fn a(&self) -> Result<()> {}", "`timeout` is no extra key"),
        ("#[action(extra(cache))] async fn a(&self) -> Result<()> {}", "`cache` needs a value"),
        ("#[action = \"x\"] async fn a(&self) -> Result<()> {}", "write the options in parentheses"),
        ("#[action] async fn new(&self) -> Result<()> {}", "the client's constructor is called `new`"),
        ("#[action] async fn r#new(&self) -> Result<()> {}", "the client's constructor is called `new`"),
        ("#[action] async fn NAME(&self) -> Result<()> {}", "write `#[action(name = \"NAME\")]`"),
        ("#[action] async fn into(&self) -> Result<()> {}", "write `#[action(name = \"into\")]`"),
        ("#[action] async fn try_into(&self) -> Result<()> {}", "write `#[action(name = \"try_into\")]`"),
    ]);
}

#[test]
fn options_of_events_and_hooks() {
    check(&[
        ("#[event] async fn a(&self) -> Result<()> {}", "which event?"),
        ("#[event(group = \"mail\")] async fn a(&self) -> Result<()> {}", "which event?"),
        ("#[event(\"\")] async fn a(&self) -> Result<()> {}", "the event pattern is empty"),
        ("#[event(\"a b\")] async fn a(&self) -> Result<()> {}", "cannot be part of an event's name"),
        ("#[event(name = \"x\")] async fn a(&self) -> Result<()> {}", "stands first, without a key"),
        ("#[event(\"x\", gruop = \"y\")] async fn a(&self) -> Result<()> {}", "did you mean `group`?"),
        (
            "#[event(\"x\", concurrency = 0)] async fn a(&self) -> Result<()> {}",
            "no event would ever be handled",
        ),
        ("#[event(\"x\", concurrency = \"1\")] async fn a(&self) -> Result<()> {}", "takes a whole number"),
        ("#[event(\"x\", group = \"$y\")] async fn a(&self) -> Result<()> {}", "reserved"),
        ("#[started(first)] async fn a(&self) -> Result<()> {}", "a `#[started]` hook has no options"),
    ]);
}

#[test]
fn what_a_service_has_once() {
    check(&[
        (
            "#[action] async fn a(&self) -> Result<()> {} #[action(name = \"a\")] async fn b(&self) -> Result<()> {}",
            "already has an action called `a`",
        ),
        (
            "#[event(\"x\")] async fn a(&self) -> Result<()> {} #[event(\"x\")] async fn b(&self) -> Result<()> {}",
            "already has a handler for `x`",
        ),
        (
            "#[started] async fn a(&self) -> Result<()> {} #[started] async fn b(&self) -> Result<()> {}",
            "one `#[started]` hook",
        ),
        ("#[action] #[event(\"x\")] async fn a(&self) -> Result<()> {}", "a method has one role"),
    ]);
}

#[test]
fn the_service_itself() {
    let cases = [
        (quote!(), "the service needs a name"),
        (quote!(version = 1), "the service needs a name"),
        (quote!("trips"), "the name has a key: `name = \"trips\"`"),
        (quote!(name = ""), "the name of a service is empty"),
        (quote!(name = "my trips"), "' ' cannot be part of the name of a service"),
        (quote!(name = "$node"), "reserved"),
        (quote!(name = "a", vresion = 1), "did you mean `version`?"),
        (quote!(name = "a", version = -1), "takes a string or a number"),
        (quote!(name = "a", version = 5_000_000_000), "number too large"),
        (quote!(name = "a", version = ""), "the name of a version is empty"),
        (quote!(name = "a", version = "$next"), "reserved"),
        (quote!(name = "a", version = "1 beta"), "' ' cannot be part of the name of a version"),
        (quote!(name = "a", version = "*"), "'*' cannot be part of the name of a version"),
        (quote!(name = "a", version = "1."), "something on both sides"),
        (quote!(name = "a", depends_on = "b"), "`depends_on` takes a list"),
        (quote!(name = "a", depends_on = ["b c"]), "' ' cannot be part"),
        (quote!(name = "a", strict = "yes"), "or is `strict = true` or `strict = false`"),
        (quote!(name = "a", client = 3), "or `client = false`"),
        (quote!(name = "a", client(viz = pub)), "did you mean `vis`?"),
        (quote!(name = "a", client(vis = 3)), "`vis` takes a visibility"),
        (quote!(name = "a", client(name = a::B)), "takes the name of the struct"),
        (quote!(name = "a", crate = "ligand"), "takes a path"),
        (quote!(name = "a" version = 1), "expected `,`"),
    ];
    for (attr, expected) in cases {
        let found = service_mistakes(attr.clone(), quote!(impl Trips {}));
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{attr}\nexpected: {expected}\nfound: {found:#?}"
        );
    }
}

#[test]
fn the_wrong_item() {
    let cases = [
        (
            quote!(
                struct Trips;
            ),
            "goes on the `impl` block",
        ),
        (
            quote!(
                async fn trips() {}
            ),
            "goes on the `impl` block",
        ),
        (quote!(impl Trait for Trips {}), "not on the impl of a trait"),
        (
            quote!(
                #[ligand::service(name = "b")]
                impl Trips {}
            ),
            "a type is one service",
        ),
        (
            quote!(
                impl (u8, u8) {}
            ),
            "a type with a name",
        ),
        (
            quote!(
                impl<'a> Trips<'a> {}
            ),
            "no lifetimes",
        ),
    ];
    for (item, expected) in cases {
        let found = service_mistakes(quote!(name = "trips"), item.clone());
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{item}\nexpected: {expected}\nfound: {found:#?}"
        );
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let found = service_mistakes(
        quote!(nmae = "trips"),
        quote! {
            impl Trips {
                #[action(tiemout = 3, visibility = "x")]
                async fn a(&mut self, x: &str, y: impl Wire) -> u8 {}
                #[event]
                async fn b(&self) -> Result<()> {}
            }
        },
    );
    assert_eq!(found.len(), 8, "{found:#?}");
}
