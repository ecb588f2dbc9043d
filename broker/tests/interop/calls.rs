//! Calls both ways: values of every kind, no parameters, timeouts.

use serde_json::{Value, json};

use crate::harness::{Pair, Version, with_both_versions};

with_both_versions! { each_calls_the_other }

async fn each_calls_the_other(version: Version) {
    let pair = Pair::start(version).await;
    let sum: Value = pair.rust.call("v2.js.add", json!({ "a": 1, "b": 2 })).await.unwrap();
    assert_eq!(sum, json!(3));
    assert_eq!(pair.js.call("v3.rs.add", json!({ "a": 1, "b": 2.5 })).await, Ok(json!(3.5)));
    pair.end().await;
}
