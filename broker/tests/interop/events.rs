//! Events between nodes of both kinds, counted one by one.

use ligand::{ServiceBroker, Value};
use serde_json::json;
use std::collections::BTreeMap;

use crate::harness::{Cluster, Heard, Js, Version, mail, rust_node, until, with_both_versions};

with_both_versions! {
    one_member_of_each_group_gets_an_emitted_event
    everybody_gets_a_broadcast_event_once
    wildcards_match_as_they_do_in_node
}

/// Two instances of the mail service of each kind.
struct Four {
    js: [Js; 2],
    rust: [ServiceBroker; 2],
    heard: [Heard; 2],
}

impl Four {
    async fn start(version: Version) -> Self {
        let cluster = Cluster::new(&["rust-1", "rust-2", "js-1", "js-2"]);
        let heard = [Heard::default(), Heard::default()];
        let (js_1, js_2, rust_1, rust_2) = tokio::join!(
            Js::start(version, cluster.js_options("js-1"), &["mail"]),
            Js::start(version, cluster.js_options("js-2"), &["mail"]),
            rust_node(&cluster, "rust-1", vec![mail(&heard[0])]),
            rust_node(&cluster, "rust-2", vec![mail(&heard[1])]),
        );
        let four = Self { js: [js_1, js_2], rust: [rust_1, rust_2], heard };
        four.meet().await;
        four
    }

    /// Waits until everybody knows every subscription: on four nodes.
    async fn meet(&self) {
        for event in ["user.created", "user.other", "order.x"] {
            for js in &self.js {
                js.ask(json!({ "do": "waitForSubscribers", "event": event, "count": 4 })).await;
            }
        }
        for rust in &self.rust {
            until("every subscription is known", async || {
                let events: Value = rust.call("$node.events", json!({})).await.expect("our own answer");
                let known = |pattern: &str| {
                    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
                    events.iter().any(|row| row["name"] == pattern && row["count"] == 4)
                };
                ["user.created", "user.*", "order.**"].into_iter().all(known).then_some(())
            })
            .await;
        }
    }

    /// All that was received: node, handler and event.
    async fn collect(&self, expected: usize) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        until("all events have come", async || {
            for (node, heard) in ["rust-1", "rust-2"].into_iter().zip(&self.heard) {
                all.extend(heard.take().into_iter().map(|event| (node.to_owned(), event)));
            }
            for js in &self.js {
                let events = js.heard().await.into_iter().filter(|heard| heard["what"] == "event");
                all.extend(events.map(|event| (js.name.clone(), event)));
            }
            (all.len() >= expected).then_some(())
        })
        .await;
        // One packet per node and link, in order: whatever there was too much has arrived after a ping.
        for rust in &self.rust {
            rust.ping_all().await;
        }
        for js in &self.js {
            let events = js.heard().await.into_iter().filter(|heard| heard["what"] == "event");
            all.extend(events.map(|event| (js.name.clone(), event)));
        }
        for (node, heard) in ["rust-1", "rust-2"].into_iter().zip(&self.heard) {
            all.extend(heard.take().into_iter().map(|event| (node.to_owned(), event)));
        }
        all
    }

    async fn end(self) {
        for rust in &self.rust {
            rust.stop().await.expect("it stops well");
        }
    }
}

/// How often each handler of each node ran.
fn counted(all: &[(String, Value)]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for (node, event) in all {
        let handler = event["handler"].as_str().unwrap_or_default().to_owned();
        *counts.entry((node.clone(), handler)).or_insert(0) += 1;
    }
    counts
}

fn of_handler(counts: &BTreeMap<(String, String), usize>, handler: &str) -> usize {
    counts.iter().filter(|((_, of), _)| of == handler).map(|(_, count)| count).sum()
}

async fn one_member_of_each_group_gets_an_emitted_event(version: Version) {
    let four = Four::start(version).await;
    for emitter in 0..2 {
        for n in 0..20 {
            if emitter == 0 {
                four.rust[0].emit("user.created", json!({ "n": n })).meta("m", 1).await.unwrap();
            } else {
                let opts = json!({ "meta": { "m": 1 } });
                four.js[0]
                    .ask(json!({ "do": "emit", "event": "user.created", "data": { "n": n }, "opts": opts }))
                    .await;
            }
        }
        let all = four.collect(40).await;
        let counts = counted(&all);
        assert_eq!(of_handler(&counts, "mail"), 20, "emitter {emitter}: {counts:?}");
        assert_eq!(of_handler(&counts, "audit"), 20, "emitter {emitter}: {counts:?}");
        assert_eq!(all.len(), 40);
        for (_, event) in &all {
            assert_eq!(
                (&event["event"], &event["type"]),
                (&json!("user.created"), &json!("emit")),
                "{event}"
            );
            assert_eq!((&event["meta"], &event["level"]), (&json!({ "m": 1 }), &json!(1)), "{event}");
        }
        // Every event reached each group exactly once.
        for handler in ["mail", "audit"] {
            let mut seen: Vec<_> = all.iter().filter(|(_, event)| event["handler"] == handler).collect();
            seen.sort_by_key(|(_, event)| event["data"]["n"].as_u64());
            let seen: Vec<_> = seen.iter().filter_map(|(_, event)| event["data"]["n"].as_u64()).collect();
            assert_eq!(seen, (0..20).collect::<Vec<_>>());
        }
    }
    // To one group only.
    four.rust[0].emit("user.created", json!({ "n": 99 })).group("audit").await.unwrap();
    let opts = json!({ "groups": ["audit"] });
    four.js[0].ask(json!({ "do": "emit", "event": "user.created", "data": {}, "opts": opts })).await;
    let counts = counted(&four.collect(2).await);
    assert_eq!((of_handler(&counts, "audit"), of_handler(&counts, "mail")), (2, 0), "{counts:?}");
    four.end().await;
}

async fn everybody_gets_a_broadcast_event_once(version: Version) {
    let four = Four::start(version).await;
    for emitter in 0..2 {
        for n in 0..5 {
            if emitter == 0 {
                four.rust[0].broadcast("user.created", json!({ "n": n })).await.unwrap();
            } else {
                four.js[0]
                    .ask(json!({ "do": "broadcast", "event": "user.created", "data": { "n": n } }))
                    .await;
            }
        }
        let all = four.collect(40).await;
        let counts = counted(&all);
        assert_eq!(counts.len(), 8, "{counts:?}");
        assert!(counts.values().all(|count| *count == 5), "emitter {emitter}: {counts:?}");
        // Node's own handlers are told `broadcastLocal`.
        let told = |event: &Value| event["type"].as_str().is_some_and(|told| told.starts_with("broadcast"));
        assert!(all.iter().all(|(_, event)| told(event)), "{all:?}");
    }
    four.rust[0].broadcast("user.created", ()).group("mail").await.unwrap();
    four.js[1].ask(json!({ "do": "broadcast", "event": "user.created", "opts": { "groups": "mail" } })).await;
    let all = four.collect(8).await;
    let counts = counted(&all);
    assert_eq!(counts.len(), 4, "{counts:?}");
    assert!(counts.iter().all(|((_, handler), count)| handler == "mail" && *count == 2), "{counts:?}");
    // Nothing is passed as null, from either.
    assert!(all.iter().all(|(_, event)| event["data"].is_null() || event["data"] == json!({})), "{all:?}");
    four.end().await;
}

async fn wildcards_match_as_they_do_in_node(version: Version) {
    let four = Four::start(version).await;
    // Event, and how many handlers of each node it reaches.
    let events =
        [("user.other", 1), ("user.a.b", 0), ("user", 0), ("order.a.b.c", 1), ("order.x", 1), ("order", 0)];
    for (event, _) in events {
        four.rust[1].broadcast(event, json!(event)).await.unwrap();
        four.js[1].ask(json!({ "do": "broadcast", "event": event, "data": event })).await;
    }
    let expected: usize = events.iter().map(|(_, handlers)| handlers * 4 * 2).sum();
    let all = four.collect(expected).await;
    for (event, handlers) in events {
        let came = all.iter().filter(|(_, got)| got["event"] == event).count();
        assert_eq!(came, handlers * 4 * 2, "{event}");
    }
    assert_eq!(all.len(), expected);
    four.end().await;
}
