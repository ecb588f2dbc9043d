//! One case per message about a contract, as `messages.rs` has them of services.

use quote::quote;

use super::client_mistakes;

#[test]
fn contracts() {
    let cases = [
        (
            quote!(
                trait Mail {
                    fn a(ctx: Context);
                }
            ),
            "the context is the caller's own",
        ),
        (
            quote!(
                trait Mail {
                    fn a(x: &str);
                }
            ),
            "`String` for `&str`",
        ),
        (
            quote!(
                trait Mail {
                    fn a<T>(x: u8);
                }
            ),
            "cannot be generic",
        ),
        (
            quote!(
                trait Mail {
                    fn a() {}
                }
            ),
            "end the method with `;`",
        ),
        (
            quote!(
                trait Mail {
                    fn a() -> &str;
                }
            ),
            "has to own what it hands out",
        ),
        (
            quote!(
                trait Mail {
                    fn a();
                    #[action(name = "a")]
                    fn b();
                }
            ),
            "already has the action `a`",
        ),
        (
            quote!(
                trait Mail {
                    fn new();
                }
            ),
            "constructor",
        ),
        (
            quote!(
                trait Mail {
                    fn named();
                }
            ),
            "is called `named`: name the method otherwise and write `#[action(name = \"named\")]`",
        ),
        (
            quote!(
                trait Mail {
                    #[action(timeout = 3)]
                    fn a();
                }
            ),
            "supported options are: name, rename",
        ),
        (
            quote!(
                trait Mail {
                    #[inline]
                    fn a();
                }
            ),
            "nothing else",
        ),
        (
            quote!(
                trait Mail {
                    type T;
                }
            ),
            "holds methods only",
        ),
        (
            quote!(
                trait Mail<T> {}
            ),
            "cannot be generic",
        ),
        (
            quote!(
                trait Mail: Send {}
            ),
            "cannot have supertraits",
        ),
        (
            quote!(
                struct Mail;
            ),
            "goes on a trait",
        ),
    ];
    for (item, expected) in cases {
        let found = client_mistakes(quote!(name = "mail"), item.clone());
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{item}\nexpected: {expected}\nfound: {found:#?}"
        );
    }
    let empty = quote!(
        trait Mail {}
    );
    for (attr, expected) in [
        (quote!(name = ""), "the name of a service is empty"),
        (quote!(name = "a\nb"), "'\\n' cannot be part of the name of a service"),
        (quote!(name = "a", version = ""), "the name of a version is empty"),
    ] {
        assert!(client_mistakes(attr.clone(), empty.clone())[0].contains(expected), "{attr}");
    }
    for name in ["$node", "my mail", "send-mail", "füße", "api/v2"] {
        assert_eq!(
            client_mistakes(quote!(name = #name, version = "1 beta"), empty.clone()),
            [""; 0],
            "{name}"
        );
    }
    assert!(
        client_mistakes(
            quote!(),
            quote!(
                trait Mail {}
            )
        )[0]
        .contains("#[client(name")
    );
    assert!(
        client_mistakes(
            quote!(name = "a", settings = 1),
            quote!(
                trait Mail {}
            )
        )[0]
        .contains("name, version, error, crate")
    );
}
