//! Parameters that do not fit.

use ligand::config::SerializerKind;
use ligand::testing::Cluster;
use ligand::{Context, ErrorKind, IntoServiceDef, Outcome, Params, Result, ServiceDef, service};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ways::every_way;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sku: String,
    price: f64,
}

struct Orders;

#[service(name = "orders")]
impl Orders {
    #[action]
    async fn add(&self, a: i64, note: Option<String>) -> Result<i64> {
        drop(note);
        Ok(a)
    }

    #[action]
    async fn place(&self, Params(lines): Params<Vec<Line>>) -> Result<usize> {
        Ok(lines.len())
    }

    #[action]
    async fn count(&self, ctx: Context, n: u64, at: i8) -> Result<(u64, i8, Option<u64>)> {
        Ok((n, at, ctx.meta().get("n")))
    }
}

fn orders() -> Vec<ServiceDef> {
    vec![Orders.into_service_def()]
}

/// The entries of the error's data, each with the node left out.
async fn complaints(action: &str, params: Value) -> Value {
    let found = every_way(orders, async |broker| {
        let encoded = broker.call::<Value>(action, &params).await.unwrap_err();
        let moved = broker.call_typed::<Value, _>(action, params.clone()).await.unwrap_err();
        assert_eq!(moved.data(), encoded.data(), "a value that is read from a tree, and from text");
        let error = encoded;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Validation, Outcome::Ran));
        assert_eq!((error.name(), error.message()), ("ValidationError", "Parameters validation error!"));
        let mut data = error.data().cloned().unwrap();
        let printed = format!("Parameters validation error! ({})", data[0]["message"].as_str().unwrap());
        assert_eq!(error.to_string(), printed, "wherever it was raised");
        for entry in data.as_array_mut().unwrap() {
            let entry = entry.as_object_mut().unwrap();
            assert_eq!(
                entry.remove("nodeID").unwrap(),
                broker.node_id().as_str(),
                "the caller's node, as in Node"
            );
        }
        data
    });
    found.await
}

#[tokio::test(start_paused = true)]
async fn a_missing_field_is_reported_as_node_reports_it() {
    let expected = json!([{
        "type": "required", "message": "The 'a' field is required.", "field": "a", "action": "orders.add",
    }]);
    assert_eq!(complaints("orders.add", json!({})).await, expected);
    assert_eq!(complaints("orders.add", Value::Null).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_field_of_another_type_is_named_by_its_path() {
    let found = complaints("orders.add", json!({ "a": "one" })).await;
    assert_eq!((&found[0]["field"], &found[0]["type"]), (&json!("a"), &json!("number")));
    let found = complaints("orders.add", json!({ "a": 1, "note": 5 })).await;
    assert_eq!((&found[0]["field"], &found[0]["type"]), (&json!("note"), &json!("string")));
    let lines = json!([{ "sku": "chair", "price": 1 }, { "sku": "table", "price": "much" }]);
    let found = complaints("orders.place", lines).await;
    assert_eq!((&found[0]["field"], &found[0]["type"]), (&json!("[1].price"), &json!("number")));
    let found = complaints("orders.place", json!([{ "price": 1 }])).await;
    assert_eq!((&found[0]["field"], &found[0]["type"]), (&json!("[0].sku"), &json!("required")));
}

#[tokio::test(start_paused = true)]
async fn params_of_another_shape_altogether_are_reported_too() {
    let found = complaints("orders.place", json!({ "sku": "chair" })).await;
    assert_eq!((&found[0]["field"], &found[0]["type"]), (&json!(""), &json!("array")));
}

const SERIALIZERS: [SerializerKind; 5] = [
    SerializerKind::Json,
    SerializerKind::JsonExt,
    SerializerKind::MsgPack,
    SerializerKind::Notepack,
    SerializerKind::Cbor,
];

#[tokio::test(start_paused = true)]
async fn an_array_is_no_params_for_named_arguments() {
    // By position it would fit.
    let params = json!([1, "a note"]);
    let expected = json!([{
        "type": "object",
        "message": "invalid type: sequence, expected an object, the params of `orders.add`",
        "field": "",
        "action": "orders.add",
    }]);
    assert_eq!(complaints("orders.add", params.clone()).await, expected);
    for serializer in SERIALIZERS {
        let cluster = Cluster::seeded(1).configure(move |config| config.serializer = serializer);
        let cluster = cluster.node("caller", []).node("server", orders()).start().await;
        let error = cluster.at("caller").call::<Value>("orders.add", &params).await.unwrap_err();
        assert_eq!(error.data().unwrap()[0]["message"], expected[0]["message"], "{serializer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_number_that_is_written_as_a_float_fits_an_integer() {
    let params = json!({ "n": 5.0, "at": -3.0 });
    let expected = (5, -3, Some(7));
    let found = every_way(orders, async |broker| {
        let encoded = broker.call::<(u64, i8, _)>("orders.count", &params).meta("n", 7.0).await.unwrap();
        let moved = broker.call_typed("orders.count", params.clone()).meta("n", 7.0).await.unwrap();
        assert_eq!(encoded, moved);
        encoded
    });
    assert_eq!(found.await, expected);
    for serializer in SERIALIZERS {
        let cluster = Cluster::seeded(1).configure(move |config| config.serializer = serializer);
        let cluster = cluster.node("caller", []).node("server", orders()).start().await;
        let count = cluster.at("caller").call::<(u64, i8, _)>("orders.count", &params).meta("n", 7.0);
        assert_eq!(count.await.unwrap(), expected, "{serializer}");
    }
}
