//! What the generated code does, told by the parts of it that matter.

use proc_macro2::TokenStream;
use quote::quote;

use super::service_of;
use crate::errors::Errors;
use crate::{action_error, check, expand, parse};

/// Tokens as text without spaces and trailing commas, which depend on how tokens came to stand beside each other.
fn text(tokens: &TokenStream) -> String {
    let text: String = tokens.to_string().split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}").replace(",]", "]")
}

fn contains(code: &TokenStream, fragments: &[TokenStream]) {
    let code = text(code);
    for fragment in fragments {
        let fragment = text(fragment);
        assert!(code.contains(&fragment), "expected: {fragment}\nin: {code}");
    }
}

fn lacks(code: &TokenStream, fragment: &str) {
    assert!(!text(code).contains(fragment), "{fragment} in: {}", text(code));
}

fn service(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(&service_of(attr, item))
}

fn client(attr: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut contract = parse::contract(attr, item, &mut errors).unwrap();
    check::contract(&mut contract, &mut errors);
    assert_eq!(errors.messages(), [""; 0]);
    expand::contract(&contract)
}

fn error(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let error = action_error::parse(item, &mut errors).unwrap();
    assert_eq!(errors.messages(), [""; 0]);
    expand::action_error(&error)
}

#[test]
fn the_impl_keeps_everything_but_the_helper_attributes_which_give_way_to_an_allow() {
    let item = quote! {
        /// Trips.
        impl Trips {
            /// Asks for a car.
            #[action(timeout = "3s")]
            #[must_use]
            pub async fn request(&self) -> Result<()> { Ok(()) }
            const LIMIT: u8 = 3;
        }
    };
    let parsed = parse::service(quote!(name = "trips"), item, &mut Errors::default());
    let expected = quote! {
        /// Trips.
        impl Trips {
            /// Asks for a car.
            #[must_use]
            #[allow(clippy::needless_pass_by_value,
        clippy::new_ret_no_self,
        clippy::should_implement_trait,
        clippy::unused_async,
        clippy::unused_self,
        clippy::wrong_self_convention)]
            pub async fn request(&self) -> Result<()> { Ok(()) }
            const LIMIT: u8 = 3;
        }
    };
    assert_eq!(text(&parsed.item), text(&expected));
}

#[test]
fn the_impl_is_emitted_even_when_nothing_else_can_be() {
    let parsed = parse::service(quote!(), quote!(impl Trips { #[action] fn a() {} }), &mut Errors::default());
    let expected = quote! {
        impl Trips {
            #[allow(clippy::needless_pass_by_value,
        clippy::new_ret_no_self,
        clippy::should_implement_trait,
        clippy::unused_async,
        clippy::unused_self,
        clippy::wrong_self_convention)]
            fn a() {}
        }
    };
    assert_eq!(text(&parsed.item), text(&expected));
    assert!(parsed.ast.is_none());
}

#[test]
fn named_arguments_become_a_struct_that_handler_and_client_share() {
    let code = service(
        quote!(name = "trips", version = 1),
        quote! {
            impl Trips {
                /// Books a car.
                #[action(name = "book", rename(to = "target"))]
                async fn request(&self, rider: RiderId, ctx: Context, to: Option<Point>) -> Result<Trip, TripError> {}
            }
        },
    );
    contains(
        &code,
        &[
            quote!(#[derive(::ligand::__private::serde::Serialize, ::ligand::__private::serde::Deserialize)]),
            quote!(::deserialize(::ligand::__private::Named(from))),
            quote!(#[serde(crate = "::ligand::__private::serde", remote = "Self")]),
            quote!(
                struct __TripsRequestParams {
                    rider: RiderId,
                    #[serde(rename = "target")]
                    #[serde(default)]
                    #[serde(skip_serializing_if = "::core::option::Option::is_none")]
                    to: Option<Point>,
                }
            ),
            quote!(::ligand::ActionDef::new("book"), move |ctx: ::ligand::Context, params: __TripsRequestParams|),
            quote!(async move { <Trips>::request(&*__this, params.rider, ctx, params.to).await }),
            quote!(
                /// Books a car.
                pub(crate) fn request(
                    &self,
                    rider: RiderId,
                    to: Option<Point>,
                ) -> ::ligand::call::Call<'a, Trip> {
                    ::ligand::__private::call::<__TripsRequestParams, Trip>(
                        &self.target,
                        "v1.trips.book",
                        __TripsRequestParams { rider, to },
                    )
                }
            ),
            quote!(
                const NAME: &'static str = "v1.trips";
            ),
        ],
    );
}

#[test]
fn the_options_of_a_service_and_an_action_reach_the_builder() {
    let code = service(
        quote!(
            name = "trips",
            version = "beta",
            depends_on = ["drivers"],
            settings = json!({}),
            metadata = self.region,
            crate = crate::rpc
        ),
        quote! {
            impl Trips {
                #[action(timeout = "3s", visibility = "protected", params = schema(), spawn, encode, rest = "GET /x",
                    extra(cache = true))]
                async fn a(&self) -> Result<()> {}
            }
        },
    );
    contains(
        &code,
        &[
            quote!(let __builder = crate::rpc::ServiceDef::builder("trips");),
            quote!(let __builder = __builder.version("beta");),
            quote!(let __builder = __builder.depends_on(["drivers"]);),
            quote!(let __builder = __builder.settings(json!({}));),
            quote!(let __builder = __builder.metadata(self.region);),
            quote!(
                crate::rpc::ActionDef::new("a")
                    .timeout(crate::rpc::__private::Duration::from_millis(3000u64))
                    .visibility(crate::rpc::Visibility::Protected)
                    .params(schema())
                    .spawn()
                    .encode()
                    .extra("rest", "GET /x")
                    .extra("cache", true)
            ),
            quote!(params: crate::rpc::Empty),
        ],
    );
    lacks(&code, "::ligand");
}

#[test]
fn whole_raw_and_blocking_actions_have_their_own_ways() {
    let code = service(
        quote!(name = "trips"),
        quote! {
            impl Trips {
                #[action]
                async fn place(&self, Params(cart): Params<Cart>) -> Result<Order> {}
                #[action(raw)]
                async fn follow(&self, payload: Payload) -> Result<Reply> {}
                #[action(blocking)]
                fn hash(&self, password: String) -> Result<String> {}
                #[action]
                async fn ping(self: Arc<Self>) -> Result<()> {}
            }
        },
    );
    contains(
        &code,
        &[
            quote!(async move { <Trips>::place(&*__this, ::ligand::Params(params)).await }),
            quote!(fn place(&self, params: Cart) -> ::ligand::call::Call<'a, Order>),
            quote!(__builder.action_raw),
            quote!(::ligand::ActionDef::new("follow"), move |ctx: ::ligand::Context, params: ::ligand::Payload|),
            quote!(-> ::ligand::call::Call<'a, ::ligand::__private::Value>),
            quote!(__builder.action_blocking(
                ::ligand::ActionDef::new("hash"),
                move |ctx: ::ligand::Context, params: __TripsHashParams| <Trips>::hash(
                    &*__this,
                    params.password
                )
            )),
            quote!(call::<::ligand::Empty, ()>(&self.target, "trips.ping", ::ligand::Empty {})),
            quote!(async move { <Trips>::ping(__this).await }),
        ],
    );
}

#[test]
fn events_and_hooks_are_registered() {
    let code = service(
        quote!(name = "mail"),
        quote! {
            impl Mail {
                #[event("user.created", group = "mail", concurrency = 1, extra(debounce = 5))]
                async fn on_user(&self, ctx: Context, id: u64) -> Result<()> {}
                #[event("user.*")]
                async fn on_any(&self, user: Shared<User>) -> Result<()> {}
                #[started]
                async fn open(&self, cx: ServiceCx) -> Result<()> {}
                #[stopped]
                async fn close(&self) -> Result<()> {}
            }
        },
    );
    contains(
        &code,
        &[
            quote!(#[derive(::ligand::__private::serde::Deserialize)]),
            quote!(
                ::ligand::EventDef::new("user.created")
                    .group("mail")
                    .concurrency(1usize)
                    .extra("debounce", 5)
            ),
            quote!(<Mail>::on_user(&*__this, ctx, params.id)),
            quote!(params: Shared<User>),
            quote!(<Mail>::on_any(&*__this, params)),
            quote!(__builder.started),
            quote!(move |cx: ::ligand::ServiceCx|),
            quote!(<Mail>::open(&*__this, cx)),
            quote!(__builder.stopped),
            quote!(<Mail>::close(&*__this)),
        ],
    );
}

#[test]
fn a_condition_on_a_method_is_on_everything_made_for_it() {
    let code = service(
        quote!(name = "trips"),
        quote!(
            impl Trips {
                #[cfg(feature = "sms")]
                #[action]
                async fn sms(&self, to: Number) -> Result<()> {}
            }
        ),
    );
    let conditions = text(&code).matches("#[cfg(feature=\"sms\")]").count();
    assert_eq!(conditions, 6, "struct, reading, writing, check, glue and client method: {}", text(&code));
}

#[test]
fn the_client_can_be_renamed_reduced_and_left_out() {
    let item = quote!(
        impl Trips {
            #[action(client = false)]
            async fn a(&self) -> Result<()> {}
        }
    );
    let code = service(quote!(name = "t", client(vis = pub, name = TripsApi)), item.clone());
    contains(
        &code,
        &[
            quote!(pub struct TripsApi<'a>),
            quote!(pub fn new(caller: impl ::core::convert::Into<::ligand::call::AnyCaller<'a>>) -> Self),
        ],
    );
    lacks(&code, "fna(");
    lacks(&service(quote!(name = "t", client = false), item), "Client");
}

#[test]
fn params_are_encoded_only_where_a_client_is_made() {
    let item = quote!(
        impl Trips {
            #[action(client = false)]
            async fn a(&self, of: Point, at: Option<u8>) -> Result<()> {}
        }
    );
    for code in [
        service(quote!(name = "t"), item.clone()),
        service(
            quote!(name = "t", client = false),
            quote!(impl Trips { #[action] async fn a(&self, of: Point) -> Result<()> {} }),
        ),
    ] {
        contains(
            &code,
            &[
                quote!(#[derive(::ligand::__private::serde::Deserialize)]),
                quote!(#[serde(expecting = "an object, the params of `t.a`")]),
                quote!(an_argument_arrives::<Point>();),
            ],
        );
        lacks(&code, "derive(::ligand::__private::serde::Serialize");
        lacks(&code, "skip_serializing_if");
    }
}

#[test]
fn strict_actions_refuse_unknown_members_even_without_arguments() {
    let code = service(
        quote!(name = "t", strict),
        quote!(
            impl Trips {
                #[action]
                async fn a(&self, of: u8) -> Result<()> {}
                #[action]
                async fn b(&self) -> Result<()> {}
                #[action(strict = false)]
                async fn c(&self, of: u8) -> Result<()> {}
                #[action(strict = false)]
                async fn d(&self) -> Result<()> {}
                #[action]
                async fn e(&self, of: Params<Cart>) -> Result<()> {}
                #[event("x")]
                async fn f(&self, of: u8) -> Result<()> {}
            }
        ),
    );
    contains(
        &code,
        &[
            quote!(
                #[serde(deny_unknown_fields)]
                struct __TripsAParams {
                    of: u8,
                }
            ),
            quote!(
                #[serde(deny_unknown_fields)]
                struct __TripsBParams {}
            ),
            quote!(call::<__TripsBParams, ()>(&self.target, "t.b", __TripsBParams {})),
            quote!(call::<::ligand::Empty, ()>(&self.target, "t.d", ::ligand::Empty {})),
        ],
    );
    assert_eq!(text(&code).matches("deny_unknown_fields").count(), 2, "{}", text(&code));
}

#[test]
fn an_underscore_in_front_is_no_part_of_the_name_on_the_wire() {
    let code = service(
        quote!(name = "t"),
        quote!(
            impl Trips {
                #[action(rename(_kept = "_kept"))]
                async fn a(&self, _name: u8, _kept: u8, __two: u8) -> Result<()> {}
                #[event("x")]
                async fn b(&self, _of: u8) -> Result<()> {}
            }
        ),
    );
    contains(
        &code,
        &[
            quote!(
                struct __TripsAParams {
                    #[serde(rename = "name")]
                    _name: u8,
                    _kept: u8,
                    #[serde(rename = "_two")]
                    __two: u8,
                }
            ),
            quote!(
                struct __TripsBParams {
                    #[serde(rename = "of")]
                    _of: u8,
                }
            ),
        ],
    );
}

#[test]
fn a_generic_service_passes_its_parameters_on() {
    let code = service(
        quote!(name = "t"),
        quote!(
            impl<S: Store> Trips<S>
            where
                S: Sync,
            {
                #[action]
                async fn a(&self) -> Result<u8, S::Error> {}
            }
        ),
    );
    contains(&code, &[quote!(impl<S: Store> ::ligand::IntoServiceDef for Trips<S> where S: Sync)]);
}

#[test]
fn a_contract_becomes_a_client_of_the_traits_name() {
    let code = client(
        quote!(name = "mail", version = 2),
        quote! {
            /// Sends mail.
            pub trait Mail {
                async fn send(&self, to: String, text: Option<String>) -> Result<Receipt>;
                #[action(name = "x", rename(a = "b"))]
                fn other(a: u8);
                fn raw(#[params] all: Order) -> Receipt;
            }
        },
    );
    contains(
        &code,
        &[
            quote!(pub struct MailClient<'a>),
            quote!(#[derive(::ligand::__private::serde::Serialize)]),
            quote!(pub fn send(&self, to: String, text: Option<String>) -> ::ligand::call::Call<'a, Receipt>),
            quote!(#[serde(rename = "b")]),
            quote!(::ligand::__private::call::<__MailClientOtherParams, ()>(
                &self.target,
                "v2.mail.x",
                __MailClientOtherParams { a }
            )),
            quote!(pub fn raw(&self, params: Order) -> ::ligand::call::Call<'a, Receipt>),
        ],
    );
    lacks(&code, "traitMail");
}

#[test]
fn an_error_goes_out_as_parts_and_comes_back_by_its_type() {
    let code = error(quote! {
        enum TripError {
            #[action_error(code = 404, type = "NO_DRIVER", retryable)]
            NoDriver { near: Point },
            Unknown(u64, #[action_error(skip)] Source),
            #[action_error(transparent)]
            Call(Error),
        }
    });
    contains(
        &code,
        &[
            quote!(impl ::core::convert::From<TripError> for ::ligand::Error),
            quote!(TripError::NoDriver { near: ref __field0, .. } => ::ligand::__private::application),
            quote!(name: "TripError", code: 404i64, error_type: "NO_DRIVER",),
            quote!([("near", ::ligand::__private::to_value(__field0))]),
            quote!(retryable: true),
            quote!(TripError::Unknown { 0: ref __field0, .. }),
            quote!(TripError::Call { 0: inner } => ::core::convert::Into::into(inner)),
            quote!(("TripError", "NO_DRIVER") => ::core::option::Option::Some(TripError::NoDriver {
                near: ::ligand::__private::from_value::<Point>(error, "near")?
            }),),
        ],
    );
    // What was skipped cannot be rebuilt.
    lacks(&code, "\"UNKNOWN\")=>");
}
