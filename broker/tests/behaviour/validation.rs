//! Parameters that do not fit.

use ligand::{ErrorKind, IntoServiceDef, Outcome, Params, Result, ServiceDef, service};
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
