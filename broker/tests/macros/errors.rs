//! `#[derive(ActionError)]`: out as Node would send it, and back as the type it was.

use ligand::{ActionError, Code, Context, Error, ErrorKind, Outcome, Result, ServiceDef, service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::ways::on_every_way;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(code = 422)]
enum TripError {
    #[error("no driver near {} {}", near.x, near.y)]
    #[action_error(code = 404, type = "NO_DRIVER_NEAR", retryable)]
    NoDriver { near: Point, tried: Option<u32> },
    #[error("unknown trip {0} of {1}")]
    Unknown(u64, String),
    #[error("closed")]
    #[action_error(name = "ClosedError")]
    Closed,
    #[error("the store said {source}")]
    Store {
        #[action_error(skip)]
        source: std::io::Error,
        table: String,
    },
    #[error(transparent)]
    #[action_error(transparent)]
    Call(#[from] Error),
}

#[derive(Debug, PartialEq, thiserror::Error, ActionError)]
#[error("over {limit}")]
#[action_error(code = 429, type = "LIMIT", retryable)]
struct LimitError {
    limit: u32,
}

struct Trips;

#[service(name = "trips")]
impl Trips {
    #[action]
    async fn fail(&self, how: String, ctx: Context) -> Result<(), TripError> {
        Err(match &*how {
            "driver" => TripError::NoDriver { near: Point { x: 1.5, y: 2.0 }, tried: None },
            "unknown" => TripError::Unknown(7, "ada".into()),
            "closed" => TripError::Closed,
            "store" => TripError::Store { source: std::io::Error::other("disk full"), table: "trips".into() },
            "limit" => Error::from(LimitError { limit: 3 }).into(),
            "passed on" => TripsClient::new(&ctx).fail("driver".into()).await.unwrap_err().into(),
            "look-alike" => Error::client(404, "CLOSED", "another service is closed").into(),
            _ => ctx.call::<()>("no.such", json!({})).await.unwrap_err().into(),
        })
    }
}

#[tokio::test]
async fn an_error_carries_what_its_attributes_say() {
    on_every_way(
        || Trips,
        async |broker, way| {
            let fail = async |how: &str| TripsClient::new(broker).fail(how.into()).await.unwrap_err();
            for (how, name, code, error_type, message, retryable, data) in [
                (
                    "driver",
                    "TripError",
                    404,
                    "NO_DRIVER_NEAR",
                    "no driver near 1.5 2",
                    true,
                    json!({ "near": { "x": 1.5, "y": 2.0 }, "tried": null }),
                ),
                (
                    "unknown",
                    "TripError",
                    422,
                    "UNKNOWN",
                    "unknown trip 7 of ada",
                    false,
                    json!({ "0": 7, "1": "ada" }),
                ),
                ("closed", "ClosedError", 422, "CLOSED", "closed", false, Value::Null),
                (
                    "store",
                    "TripError",
                    422,
                    "STORE",
                    "the store said disk full",
                    false,
                    json!({ "table": "trips" }),
                ),
                ("limit", "LimitError", 429, "LIMIT", "over 3", true, json!({ "limit": 3 })),
            ] {
                let error = fail(how).await;
                assert_eq!(error.kind(), ErrorKind::Application, "{way:?} {how}");
                assert_eq!(error.outcome(), Outcome::Ran, "{way:?} {how}");
                assert_eq!(error.name(), name, "{way:?} {how}");
                assert_eq!(error.code(), Some(&Code::Number(code)), "{way:?} {how}");
                assert_eq!(error.error_type(), Some(error_type), "{way:?} {how}");
                assert_eq!(error.message(), message, "{way:?} {how}");
                assert_eq!(error.is_retryable(), retryable, "{way:?} {how}");
                assert_eq!(error.data().unwrap_or(&Value::Null), &data, "{way:?} {how}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_comes_back_as_the_type_it_was() {
    on_every_way(
        || Trips,
        async |broker, way| {
            let fail = async |how: &str| TripsClient::new(broker).fail(how.into()).await.unwrap_err();
            for how in ["driver", "passed on"] {
                let error = fail(how).await;
                let Some(TripError::NoDriver { near, tried: None }) = error.downcast() else {
                    panic!("{way:?} {how}: {error:?}")
                };
                assert_eq!(near, Point { x: 1.5, y: 2.0 }, "{way:?} {how}");
                assert!(error.downcast::<LimitError>().is_none(), "{way:?} {how}");
            }
            let Some(TripError::Unknown(7, who)) = fail("unknown").await.downcast() else {
                panic!("{way:?}")
            };
            assert_eq!(who, "ada", "{way:?}");
            assert!(matches!(fail("closed").await.downcast(), Some(TripError::Closed)), "{way:?}");
            assert_eq!(fail("limit").await.downcast(), Some(LimitError { limit: 3 }), "{way:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_rebuilt_stays_an_error_of_the_broker() {
    on_every_way(
        || Trips,
        async |broker, way| {
            let fail = async |how: &str| TripsClient::new(broker).fail(how.into()).await.unwrap_err();
            // The source never travelled.
            assert!(fail("store").await.downcast::<TripError>().is_none(), "{way:?}");
            let passed = fail("by a broker").await;
            assert_eq!(passed.kind(), ErrorKind::ServiceNotFound, "{way:?}");
            assert!(passed.downcast::<TripError>().is_none(), "{way:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_of_another_class_is_not_taken_for_ones_own() {
    on_every_way(
        || Trips,
        async |broker, way| {
            let error = TripsClient::new(broker).fail("look-alike".into()).await.unwrap_err();
            assert_eq!(error.error_type(), Some("CLOSED"), "{way:?}");
            assert!(error.downcast::<TripError>().is_none(), "{way:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_with_data_that_does_not_fit_is_not_taken_for_ones_own() {
    let odd = || {
        ServiceDef::builder("odd").action("fail", |_, data: Value| async move {
            Err::<(), _>(Error::application(ligand::ErrorParts {
                name: "LimitError",
                code: 429,
                error_type: "LIMIT",
                message: "over".into(),
                retryable: true,
                data: Some(data),
            }))
        })
    };
    on_every_way(odd, async |broker, way| {
        let fail = async |data: Value| broker.call::<()>("odd.fail", data).await.unwrap_err();
        assert_eq!(
            fail(json!({ "limit": 3, "more": 1 })).await.downcast(),
            Some(LimitError { limit: 3 }),
            "{way:?}"
        );
        for data in [json!({ "limit": "three" }), json!({}), json!([3]), json!(null)] {
            assert_eq!(fail(data.clone()).await.downcast::<LimitError>(), None, "{way:?} {data}");
        }
    })
    .await;
}

/// Data that JSON has no form for.
#[derive(Debug, PartialEq, thiserror::Error, ActionError)]
enum OddError {
    #[error("over the limit")]
    Limit { limit: u128, balance: i128, rate: f64, seen: Option<u128>, small: u128, raw: Raw },
    #[error("no room")]
    Room { by_shelf: BTreeMap<u128, f32>, list: Vec<f64> },
    #[error("the map is torn")]
    Torn { near: BTreeMap<(u8, u8), u8> },
}

/// A type that is bytes to serde, and nothing else.
#[derive(Debug, PartialEq)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
                Ok(Raw(bytes))
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}

struct Odd;

#[service(name = "odd")]
impl Odd {
    #[action]
    async fn limit(&self) -> Result<(), OddError> {
        Err(OddError::Limit {
            limit: u128::MAX,
            balance: i128::MIN,
            rate: f64::INFINITY,
            seen: Some(1 << 64),
            small: 7,
            raw: Raw(vec![0, 255]),
        })
    }

    #[action]
    async fn room(&self) -> Result<(), OddError> {
        Err(OddError::Room {
            by_shelf: [(u128::MAX, f32::NEG_INFINITY)].into(),
            list: vec![1.5, 2.0, f64::INFINITY],
        })
    }

    #[action]
    async fn torn(&self) -> Result<(), OddError> {
        Err(OddError::Torn { near: [((1, 2), 3)].into() })
    }
}

#[tokio::test]
async fn data_that_json_has_no_form_for_comes_back_as_it_was() {
    on_every_way(
        || Odd,
        async |broker, way| {
            let error = OddClient::new(broker).limit().await.unwrap_err();
            let data = json!({
                "limit": "340282366920938463463374607431768211455",
                "balance": "-170141183460469231731687303715884105728",
                "rate": "Infinity",
                "seen": "18446744073709551616",
                "small": 7,
                "raw": [0, 255],
            });
            assert_eq!(error.data(), Some(&data), "{way:?}");
            let expected = OddError::Limit {
                limit: u128::MAX,
                balance: i128::MIN,
                rate: f64::INFINITY,
                seen: Some(1 << 64),
                small: 7,
                raw: Raw(vec![0, 255]),
            };
            assert_eq!(error.downcast(), Some(expected), "{way:?}");
            let error = OddClient::new(broker).room().await.unwrap_err();
            let expected = OddError::Room {
                by_shelf: [(u128::MAX, f32::NEG_INFINITY)].into(),
                list: vec![1.5, 2.0, f64::INFINITY],
            };
            assert_eq!(error.downcast(), Some(expected), "{way:?} {:?}", error.data());
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_whose_data_cannot_be_written_says_so_and_names_the_field() {
    on_every_way(
        || Odd,
        async |broker, way| {
            let error = OddClient::new(broker).torn().await.unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::Ran), "{way:?}");
            assert_eq!(
                error.message(),
                "the error 'OddError' of type 'TORN' cannot be sent, because its field 'near' cannot be written as \
                 JSON (key must be a string): give it another type, or leave it out by #[action_error(skip)]; it \
                 says: the map is torn",
                "{way:?}"
            );
        },
    )
    .await;
}
