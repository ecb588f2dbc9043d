//! Somebody sends INFO under a node's true id and instance: the node says better.

use ligand::ServiceDef;
use ligand::config::SerializerKind;
use ligand::testing::{Cluster, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route};
use serde_json::{Value, json};
use tests_support::log::Log;
use tests_support::outsider::packets::{forged, info};
use tests_support::outsider::peer::Peer;

use crate::svc::svc;
use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    svc().build()
}

/// `a` calls, `b` serves, and somebody speaks in the name of `b`.
async fn watched() -> (Cluster, Peer) {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let liar = Peer::join(cluster.network(), "liar").await;
    (cluster, liar)
}

/// What `b` said of itself last, as somebody hears who asks for it.
async fn said_by_b(liar: &Peer) -> Value {
    liar.to("b", PacketKind::Discover, json!({}));
    liar.hears(PacketKind::Info).await
}

/// What `b` told everybody since the last time; what others said in its name had no services.
fn said_to_all(liar: &Peer) -> Vec<Value> {
    let heard = liar.heard(PacketKind::Info).into_iter();
    heard.filter(|info| info["sender"] == "b" && info["services"] != json!([])).collect()
}

/// An INFO of `b` without services and with this number, as it is written.
fn without_services(said: &Value, seq: &str) -> String {
    let packet = forged("b", info(said["instanceID"].as_str().unwrap(), 1, &json!([])));
    let mut packet = packet.to_string().replace(r#""seq":1"#, &format!(r#""seq":{seq}"#));
    packet.insert_str(1, r#""ver":"5","#);
    packet
}

async fn is_served(cluster: &Cluster) {
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn whatever_number_it_has_calls_go_on_and_the_node_tells_of_it() {
    const NUMBERS: [&str; 13] = [
        "3",
        // The last one that can be exceeded as any other.
        "9007199253692415",
        "5.5",
        "\"77\"",
        "\"0x100\"",
        "[99999]",
        "9007199254740991",
        "9007199254740992",
        "1e300",
        "1e400",
        "\"Infinity\"",
        "4",
        "9007199254740000",
    ];
    for number in NUMBERS {
        let (cluster, liar) = watched().await;
        let mut conflicts = cluster.at("b").local_events("$node.conflict");
        let a = cluster.at("a").clone();
        let under_way = tokio::spawn(async move { a.call::<u64>("svc.slow", 5_000_u64).await });
        let said = said_by_b(&liar).await;
        for again in 0..2 {
            let packet = without_services(&said, number);
            liar.raw(&Route::Broadcast, PacketKind::Info, packet.as_bytes()).unwrap();
            cluster.advance(ms(1_500)).await;
            is_served(&cluster).await;
            // The second time an honest number is below what was said since, and not believed.
            if again == 0 {
                let told = conflicts.try_recv().unwrap_or_else(|| panic!("{number} is not told of"));
                let expected =
                    json!({ "owner": said["instanceID"], "proven": false, "reason": "forgedInfo" });
                assert_eq!(told.data, expected, "{number}");
            }
        }
        assert_eq!(under_way.await.unwrap().unwrap(), 5_000, "{number}: the call is not given up");
        // Later changes are seen as well.
        let more = ServiceDef::builder("more").action("it", |_, _: Value| async { ok(1) }).build();
        cluster.at("b").add(more).await.unwrap();
        cluster.advance(secs(3)).await;
        assert_eq!(cluster.at("a").call::<u64>("more.it", ()).await.unwrap(), 1, "{number}");
        cluster.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_answered_once_a_second_and_the_last_one_too() {
    let (cluster, liar) = watched().await;
    let log = Log::of_this_thread(tracing::Level::WARN);
    let mut conflicts = cluster.at("b").local_events("$node.conflict");
    let said = said_by_b(&liar).await;
    let first = said["seq"].as_u64().unwrap() + 1;
    liar.heard(PacketKind::Info);
    for seq in first..first + 100 {
        let packet = without_services(&said, &(seq * 10).to_string());
        liar.raw(&Route::Broadcast, PacketKind::Info, packet.as_bytes()).unwrap();
        cluster.advance(ms(90)).await;
    }
    cluster.advance(secs(1)).await;
    is_served(&cluster).await;
    let answers = said_to_all(&liar);
    assert!((9..=11).contains(&answers.len()), "{}", answers.len());
    assert_eq!(answers.last().unwrap()["seq"], (first + 99) * 10 + 1);
    assert_eq!(std::iter::from_fn(|| conflicts.try_recv()).count(), answers.len());
    assert_eq!(log.with("under its instance id").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_equal_number_with_other_content_is_outdone_and_what_we_said_ourselves_is_not() {
    let (cluster, liar) = watched().await;
    let said = said_by_b(&liar).await;
    let mut conflicts = cluster.at("b").local_events("$node.conflict");
    liar.heard(PacketKind::Info);
    let mut copy = said.clone();
    copy["sender"] = json!("b");
    liar.broadcast(PacketKind::Info, copy);
    cluster.advance(secs(2)).await;
    assert_eq!(conflicts.try_recv(), None, "a copy of what it said says nothing else");
    let packet = without_services(&said, &said["seq"].to_string());
    liar.raw(&Route::Broadcast, PacketKind::Info, packet.as_bytes()).unwrap();
    cluster.advance(secs(2)).await;
    assert!(conflicts.try_recv().is_some());
    let answers = said_to_all(&liar);
    assert_eq!(answers.last().unwrap()["seq"].as_u64(), said["seq"].as_u64().map(|seq| seq + 1));
    assert_eq!(answers.last().unwrap()["services"], said["services"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_of_our_own_words_is_ours_in_every_serializer() {
    let kinds = [
        SerializerKind::Json,
        SerializerKind::JsonExt,
        SerializerKind::MsgPack,
        SerializerKind::Notepack,
        SerializerKind::Cbor,
    ];
    for kind in kinds {
        let network = Network::new();
        let odd = json!({
            "whole": 2.0, "large": 1e300, "exact": 9_007_199_254_740_993_u64, "most": u64::MAX, "least": i64::MIN,
            "zero": -0.0, "small": 5e-324, "text": "\u{0}\"\\\u{1F600}\u{2028}[[DT]]1", "": null,
            "nested": [[], {}, [[[true]]]], "32": [4_294_967_296_u64, -2_147_483_649_i64],
        });
        let service = ServiceDef::builder("odd").settings(odd.clone()).metadata(odd.clone()).build();
        let broker = TestBroker::new().node_id("a").transporter(network.transporter()).service(service);
        let broker = broker.with(|builder| builder.serializer(kind)).configure(move |config| {
            config.metadata = odd.as_object().unwrap().clone();
        });
        let broker = broker.start().await;
        let mut conflicts = broker.local_events("$node.conflict");
        let peer = Peer::join(&network, "peer").await;
        tokio::time::sleep(secs(3)).await;
        for n in 0..3 {
            broker.add(ServiceDef::builder(format!("s{n}")).build()).await.unwrap();
            tokio::time::sleep(secs(3)).await;
        }
        assert_eq!(conflicts.try_recv(), None, "{kind:?}");
        assert_eq!(peer.heard(PacketKind::Info).len(), 3, "{kind:?}");
    }
}
