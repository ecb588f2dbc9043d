//! Packets as nodes send them, from somebody who is not who it says, or says too much.

use ligand::transport::{PacketKind, Route};
use ligand::{LocalEvents, ServiceBroker};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use tests_support::outsider::packets::{forged, info, service};
use tests_support::{is, until, within};

use super::stage::{MAX_NODES, Manner, Stage};

pub(crate) async fn on(url: &str) {
    let stage = Stage::set(url, Manner::default()).await;
    an_answer_of_somebody_else(&stage).await;
    a_heartbeat_before_the_info(&stage).await;
    the_name_of_the_victim(&stage).await;
    many_invented_nodes(&stage).await;
    farewells_of_others(&stage).await;
    stage.end().await;
}

/// An answer with the right id from a node that was not asked: dropped and counted, its meta too.
async fn an_answer_of_somebody_else(stage: &Stage) {
    let honest = stage.outsider("honest").await;
    honest.info("i", 1, &json!([service("other", &["it"], &[])]));
    within("the outsider is known", stage.victim.wait_for(&["other"])).await.unwrap();
    let call = stage.victim.call::<()>("other.it", ()).raw().into_future();
    let (before, attacker) = (stage.victim.stats().forged, &stage.attacker);
    let (answer, ()) = tokio::join!(call, async {
        let request = within("it is asked", honest.hears(PacketKind::Request)).await;
        for success in [true, false] {
            attacker.to(
                "victim",
                PacketKind::Response,
                json!({ "id": request["id"], "success": success, "data": "forged", "meta": { "user": "admin" } }),
            );
        }
        until("both are counted", async || is(stage.victim.stats(), |stats| stats.forged == before + 2))
            .await;
        honest.answer(&request, &json!("real"));
    });
    let answer = answer.unwrap();
    assert_eq!(answer.meta.get("user"), None);
    assert_eq!(answer.decode::<String>().unwrap(), "real");
    stage.is_calm("forged answers").await;
}

/// A HEARTBEAT before any INFO, and one that names an instance where the INFO named none.
async fn a_heartbeat_before_the_info(stage: &Stage) {
    let late = stage.outsider("late").await;
    late.broadcast(PacketKind::Heartbeat, json!({ "cpu": 5, "instanceID": "i" }));
    within("it is asked who it is", late.hears(PacketKind::Discover)).await;
    let mut nothing = info("", 1, &json!([service("late", &["it"], &[])]));
    nothing.as_object_mut().unwrap().remove("instanceID");
    late.broadcast(PacketKind::Info, nothing);
    within("it is known", stage.victim.wait_for(&["late"])).await.unwrap();
    late.broadcast(PacketKind::Heartbeat, json!({ "cpu": 5, "instanceID": "i" }));
    within("it is asked again", late.hears(PacketKind::Discover)).await;
    assert!(nodes(&stage.victim).await.iter().any(|node| node["id"] == "late" && node["available"] == true));
    stage.is_calm("a heartbeat before the INFO").await;
}

/// An INFO under the victim's own id, with another instance.
async fn the_name_of_the_victim(stage: &Stage) {
    let mut conflicts = stage.victim.local_events("$node.conflict");
    let mut gone = stage.caller.local_events("$node.disconnected");
    for n in 0..20 {
        let packet = forged("victim", info(&format!("forged-{n}"), 1_000 + n, &json!([])));
        stage.attacker.broadcast(PacketKind::Info, packet.clone());
        stage.attacker.to("victim", PacketKind::Info, packet);
    }
    let told = within("the conflict is told", conflicts.recv()).await.unwrap();
    assert_eq!(told.data["proven"], false);
    stage.is_calm("an INFO in the name of the victim").await;
    assert_eq!(told_of_victim(&mut gone), 0);
}

/// Ten thousand INFO packets of nodes that do not exist, with a smaller bound than the usual one; that one
/// is for `memory.rs`.
async fn many_invented_nodes(stage: &Stage) {
    for n in 0..10_000 {
        let packet = forged(&format!("invented-{n}"), info("i", 1, &json!([])));
        let packet = stage.attacker.signed(packet).to_string();
        stage.attacker.push(&Route::Broadcast, PacketKind::Info, packet.as_bytes()).await.unwrap();
        if n % 500 == 0 {
            stage.caught_up(n).await;
        }
    }
    let known = nodes(&stage.victim).await;
    assert_eq!(known.len(), MAX_NODES + 1, "as many as may be, and the victim itself");
    stage.is_calm("invented nodes").await;
}

/// A DISCONNECT in the name of a healthy node, again and again: none is believed, and no call is lost.
async fn farewells_of_others(stage: &Stage) {
    let mut gone = stage.caller.local_events("$node.disconnected");
    let farewell = forged("victim", json!({}));
    for round in 0..20 {
        for _ in 0..5 {
            stage.attacker.broadcast(PacketKind::Disconnect, farewell.clone());
        }
        let before = stage.calls.answered();
        let what = format!("calls go on in round {round}");
        until(&what, async || is(stage.calls.answered(), |answered| *answered > before + 5)).await;
    }
    stage.is_calm("farewells in the name of the victim").await;
    assert_eq!(told_of_victim(&mut gone), 0);
}

fn told_of_victim(events: &mut LocalEvents) -> usize {
    let told = std::iter::from_fn(|| events.try_recv());
    told.filter(|event| event.data["node"]["id"] == "victim").count()
}

async fn nodes(of: &ServiceBroker) -> Vec<Value> {
    of.call("$node.list", json!({})).node(of.node_id()).await.unwrap()
}
