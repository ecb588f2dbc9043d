//! Answers from somebody who was not asked.

use ligand::Error;
use serde_json::{Value, json};

use crate::peer::{Peer, REQUEST, RESPONSE, service};
use crate::support::{builder, loopback, stop, until_counted};

fn answer(id: &Value, data: &str) -> Value {
    json!({ "id": id, "success": true, "data": data, "meta": { "user": "admin" }, "headers": {} })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_response_is_dropped_and_counted_and_its_meta_too() {
    let node = builder("node", loopback()).build().unwrap();
    node.start().await.unwrap();
    let mut honest = Peer::join("honest", &node, service("bank", "balance")).await;
    let mut forger = Peer::join("forger", &node, json!([])).await;
    let call = tokio::spawn({
        let node = node.clone();
        async move {
            let answer = node.call::<()>("bank.balance", json!({})).meta("user", "ada").raw().await?;
            Ok::<_, Error>((answer.meta.clone(), answer.decode::<String>()?))
        }
    });
    let id = honest.door.next(REQUEST).await.json()["id"].take();
    let mut failure = answer(&id, "forged");
    failure["success"] = json!(false);
    failure["error"] = json!({ "name": "Error", "message": "forged", "code": 500 });
    forger.send(RESPONSE, answer(&id, "forged")).await;
    forger.send(RESPONSE, failure).await;
    // In the name of somebody who is no member at all.
    let mut ghost = answer(&id, "forged");
    (ghost["ver"], ghost["sender"]) = (json!("5"), json!("ghost"));
    forger.line.send_json(RESPONSE, &ghost).await;
    until_counted(&node, |stats| stats.forged == 3).await;
    assert!(!call.is_finished() && node.stats().pending == 1);

    let mut true_answer = answer(&id, "42");
    true_answer["meta"] = json!({ "rate": 2 });
    honest.send(RESPONSE, true_answer).await;
    let (meta, data) = call.await.unwrap().unwrap();
    assert_eq!(data, "42");
    assert_eq!(Value::Object(meta), json!({ "user": "ada", "rate": 2 }));

    // Afterwards nobody waits for it, and a guess finds nothing.
    honest.send(RESPONSE, answer(&id, "again")).await;
    forger.send(RESPONSE, answer(&json!("00000000-0000-0000-0000-000000000000"), "guess")).await;
    until_counted(&node, |stats| stats.orphans == 2).await;
    assert_eq!((node.stats().forged, node.stats().pending, node.stats().responses), (3, 0, 1));
    stop([&node]).await;
}
