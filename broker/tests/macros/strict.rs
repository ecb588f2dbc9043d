//! Members of the params that no argument is called like.

use ligand::{Context, ErrorKind, Outcome, Result, service};
use serde_json::{Value, json};

use crate::ways::on_every_way;

struct Strict;

#[service(name = "strict", strict)]
impl Strict {
    #[action]
    async fn two(&self, a: u8, b: Option<u8>) -> Result<u8> {
        Ok(a + b.unwrap_or_default())
    }

    #[action]
    async fn none(&self, _ctx: Context) -> Result<()> {
        Ok(())
    }

    #[action(strict = false)]
    async fn lax(&self, a: u8) -> Result<u8> {
        Ok(a)
    }

    #[action(rename(from = "of"))]
    async fn renamed(&self, from: u8) -> Result<u8> {
        Ok(from)
    }
}

struct Lax;

#[service(name = "lax")]
impl Lax {
    #[action(strict)]
    async fn strict(&self, a: u8) -> Result<u8> {
        Ok(a)
    }

    #[action]
    async fn lax(&self, a: u8) -> Result<u8> {
        Ok(a)
    }
}

#[tokio::test]
async fn what_a_strict_action_does_not_know_is_refused_as_nodes_validator_refuses_it() {
    on_every_way(
        || Strict,
        async |broker, way| {
            for (action, params, expected, actual) in [
                ("two", json!({ "a": 1, "c": 2 }), "a, b", "c"),
                ("two", json!({ "a": 1, "b": null, "A": 2 }), "a, b", "A"),
                ("two", json!({ "x`, expected y": 1, "a": 1 }), "a, b", "x`, expected y"),
                ("none", json!({ "a": 1 }), "", "a"),
                ("renamed", json!({ "of": 1, "from": 2 }), "of", "from"),
            ] {
                let error = broker.call::<Value>(format!("strict.{action}"), params).await.unwrap_err();
                assert_eq!((error.kind(), error.outcome()), (ErrorKind::Validation, Outcome::Ran), "{way:?}");
                let entry = &error.data().unwrap()[0];
                assert_eq!(
                    (
                        &entry["type"],
                        &entry["message"],
                        &entry["expected"],
                        &entry["actual"],
                        &entry["field"]
                    ),
                    (
                        &json!("objectStrict"),
                        &json!(format!("The object '' contains forbidden keys: '{actual}'.")),
                        &json!(expected),
                        &json!(actual),
                        &json!(""),
                    ),
                    "{way:?} {entry}"
                );
            }
        },
    )
    .await;
}

#[tokio::test]
async fn what_a_strict_action_knows_passes_and_so_does_everything_where_it_is_not_strict() {
    on_every_way(
        || Strict,
        async |broker, _| {
            let client = StrictClient::new(broker);
            assert_eq!(client.two(1, Some(2)).await.unwrap(), 3);
            assert_eq!(client.two(1, None).await.unwrap(), 1);
            client.none().await.unwrap();
            for params in [json!({}), json!(null)] {
                broker.call::<()>("strict.none", params).await.unwrap();
            }
            broker.call::<()>("strict.none", ()).await.unwrap();
            assert_eq!(broker.call::<u8>("strict.lax", json!({ "a": 1, "c": 2 })).await.unwrap(), 1);
        },
    )
    .await;
    on_every_way(
        || Lax,
        async |broker, _| {
            let (more, exact) = (json!({ "a": 1, "c": 2 }), json!({ "a": 1 }));
            assert_eq!(broker.call::<u8>("lax.lax", &more).await.unwrap(), 1);
            assert_eq!(broker.call::<u8>("lax.strict", &exact).await.unwrap(), 1);
            assert_eq!(
                broker.call::<u8>("lax.strict", &more).await.unwrap_err().kind(),
                ErrorKind::Validation
            );
        },
    )
    .await;
}
