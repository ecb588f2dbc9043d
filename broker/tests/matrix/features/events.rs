//! Events.

use ligand::Value;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use crate::checks::Checks;
use crate::nodes::Nodes;

/// An event that a service got, and on which node.
type Got = (String, Value);

/// What the services of all nodes have heard since the last question.
async fn heard(nodes: &Nodes) -> Vec<Got> {
    let mut all: Vec<_> = nodes.heard.take().into_iter().map(|event| ("rust".to_owned(), event)).collect();
    for js in &nodes.js {
        let events = js.heard().await.into_iter().filter(|heard| heard["what"] == "event");
        all.extend(events.map(|event| (js.name.clone(), event)));
    }
    all
}

/// Waits for so many events; whatever came too much has arrived after pings in every direction.
async fn collect(nodes: &Nodes, checks: &mut Checks, count: usize) -> Vec<Got> {
    let mut all = Vec::new();
    checks
        .until("all events come", async || {
            all.extend(heard(nodes).await);
            (all.len() >= count).then_some(())
        })
        .await;
    nodes.rust.ping_all().await;
    for js in &nodes.js {
        js.ask(json!({ "do": "ping", "node": "rust" })).await;
    }
    all.extend(heard(nodes).await);
    all
}

fn by_handler(all: &[Got]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (_, event) in all {
        *counts.entry(event["handler"].as_str().unwrap_or_default()).or_insert(0) += 1;
    }
    counts
}

fn who(all: &[Got]) -> BTreeSet<&str> {
    all.iter().map(|(node, _)| node.as_str()).collect()
}

/// One member of each group gets an emitted event, whoever emits it, and all members take part.
pub(super) async fn emit(nodes: &mut Nodes, checks: &mut Checks) {
    let nodes = &*nodes;
    let set = nodes.place.set;
    // A message server does not take turns, but of so many nobody gets none.
    let times = if set.is_balanced_by_bus() { 60 } else { 12 };
    let mut expected = BTreeMap::from([("mail", times)]);
    if set.emits_to_wildcards() {
        expected.insert("audit", times);
    }
    let count = expected.values().sum();
    let _ = heard(nodes).await;
    for n in 0..times {
        nodes.rust.emit("user.created", json!({ "n": n })).meta("m", 1).await.expect("it is sent");
    }
    let all = collect(nodes, checks, count).await;
    checks.eq("emitted by ours, by group", by_handler(&all), expected.clone());
    checks.eq("who gets what ours emits", who(&all), Nodes::everybody());
    for (_, event) in &all {
        let told = (&event["event"], &event["type"], &event["meta"]);
        checks.eq("event", told, (&json!("user.created"), &json!("emit"), &json!({ "m": 1 })));
    }
    for js in &nodes.js {
        let event = json!({ "do": "emit", "event": "user.created", "data": { "n": 1 }, "times": times });
        js.ask(event).await;
        let all = collect(nodes, checks, count).await;
        checks.eq("emitted by theirs, by group", by_handler(&all), expected.clone());
        checks.eq("who gets what theirs emits", who(&all), nodes.shared_by(js));
    }
    one_group(nodes, checks).await;
    across(nodes, checks).await;
}

/// Only the groups that are named.
async fn one_group(nodes: &Nodes, checks: &mut Checks) {
    let group = if nodes.place.set.emits_to_wildcards() { "audit" } else { "mail" };
    nodes.rust.emit("user.created", json!({})).group(group).await.expect("it is sent");
    for js in &nodes.js {
        let opts = json!({ "groups": [group] });
        js.ask(json!({ "do": "emit", "event": "user.created", "data": {}, "opts": opts })).await;
    }
    let all = collect(nodes, checks, 3).await;
    checks.eq("to one group", by_handler(&all), BTreeMap::from([(group, 3)]));
}

/// Events for which there is one node, that of the other kind.
async fn across(nodes: &Nodes, checks: &mut Checks) {
    for js in &nodes.js {
        nodes.rust.emit(format!("to.{}", js.name), json!({ "n": 2 })).await.expect("it is sent");
        js.ask(json!({ "do": "emit", "event": "to.rust", "data": { "n": 3 } })).await;
        let all = collect(nodes, checks, 2).await;
        let mut told: Vec<_> = all
            .iter()
            .map(|(node, event)| (node.as_str(), event["from"].clone(), event["data"].clone()))
            .collect();
        told.sort_by_key(|(node, ..)| *node);
        let to_theirs = (js.name.as_str(), json!("rust"), json!({ "n": 2 }));
        checks.eq("across", told, vec![to_theirs, ("rust", json!(js.name), json!({ "n": 3 }))]);
    }
}

/// Everybody gets a broadcast event once, whoever sends it.
pub(super) async fn broadcast(nodes: &mut Nodes, checks: &mut Checks) {
    let nodes = &*nodes;
    nodes.rust.broadcast("order.a.b", json!({ "n": 1 })).await.expect("it is sent");
    let all = collect(nodes, checks, 3).await;
    checks.eq("who got it from ours", (who(&all), all.len()), (Nodes::everybody(), 3));
    for js in &nodes.js {
        js.ask(json!({ "do": "broadcast", "event": "order.a.b", "data": { "n": 2 } })).await;
        let expected = nodes.reached_by(js);
        let all = collect(nodes, checks, expected.len()).await;
        checks.eq("who got it from theirs", (who(&all), all.len()), (expected.clone(), expected.len()));
        // On its own node Node calls it otherwise.
        let mut others = all.iter().filter(|(node, _)| *node != js.name);
        checks.holds("as a broadcast", others.all(|(_, event)| event["type"] == "broadcast"));
    }
}
