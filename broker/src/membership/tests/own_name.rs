//! What a node does when others speak in its name, and when it could not hear what they said.

use bytes::Bytes;
use ligand_transporters::{Batch, Link, LinkOptions, Sink, Subscription, Transporter as _};
use std::sync::Mutex;

use super::*;

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(PacketKind, Bytes)>>);

impl Sink for Heard {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            self.0.lock().unwrap().push((frame.kind, frame.payload));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_discoverer_an_info_that_was_forged_is_outdone_in_the_store() {
    let mut stage = Stage::records().await;
    let mut told = stage.broker.local_events("$node.conflict");
    stage.ordered();
    let instance = stage.broker.instance_id().to_string();
    for (forged, own) in [(7, 8), (7, 8), (8, 9)] {
        stage.packet("me", PacketKind::Info, info(&instance, forged, &json!([])));
        stage.wait(Duration::from_secs(1));
        let written = stage.ordered().into_iter().find_map(|order| match order {
            Command::Info { value, .. } => Some(serde_json::from_slice::<Value>(&value).unwrap()),
            _ => None,
        });
        let written = written.expect("it is written again");
        assert_eq!(written["seq"], own);
        assert!(!written["services"].as_array().unwrap().is_empty());
        let event = told.try_recv().expect("it is told");
        assert_eq!(event.data, json!({ "owner": instance, "proven": false, "reason": "forgedInfo" }));
    }
}

#[tokio::test]
async fn between_peers_a_row_that_was_forged_is_outdone_and_told() {
    let mut stage = Stage::tcp().await;
    let mut told = stage.broker.local_events("$node.conflict");
    let instance = stage.broker.instance_id().to_string();
    let seq = |stage: &Stage| stage.driver.discoverer.gossiped_seq().expect("it gossips");
    let before = seq(&stage);
    let mut row = |stage: &mut Stage, seq: u64| {
        let rows = json!({ "online": { "me": [info(&instance, seq, &json!([])), 1, 5] } });
        stage.packet("peer", PacketKind::GossipResponse, rows);
        stage.wait(Duration::from_secs(1));
        told.try_recv().map(|event| event.data["reason"].clone())
    };
    assert_eq!((row(&mut stage, before), seq(&stage)), (None, before), "what it says itself");
    assert_eq!(row(&mut stage, 50), Some(json!("forgedInfo")));
    assert!(seq(&stage) > 50);
    let before = seq(&stage);
    assert_eq!(row(&mut stage, 1 << 53), Some(json!("forgedInfo")));
    assert!((before..before + 5).contains(&seq(&stage)), "nobody is pinned");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_had_no_room_for_is_given_to_it_later() {
    let mut stage = Stage::records().await;
    for _ in 0..2_000 {
        stage.take(Message::Lost { node: NodeId::new("n").unwrap() });
        stage.wait(Duration::from_millis(200));
        if stage.commands.as_ref().unwrap().capacity() == 0 {
            break;
        }
    }
    let instance = stage.broker.instance_id().to_string();
    stage.packet("me", PacketKind::Info, info(&instance, 7, &json!([])));
    assert!(!stage.ordered().iter().any(|order| matches!(order, Command::Info { .. })), "there was no room");
    stage.wait(Duration::from_secs(2));
    assert_eq!(stage.ordered().iter().filter(|order| matches!(order, Command::Info { .. })).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_packets_about_nodes_were_lost_everybody_is_asked() {
    let network = Network::new();
    let mut stage = Stage::set(network.transporter(), false).await;
    let heard = Arc::new(Heard::default());
    let link = Link::new(LinkOptions::new(NodeId::new("ear").unwrap(), ""), Arc::clone(&heard) as _);
    let ear = network.transporter().connect(link).await.unwrap();
    ear.subscribe(&[Subscription::Broadcast(PacketKind::Discover)]).await.unwrap();
    stage.wait(Duration::from_secs(30));
    // Nobody awaits, so the broker's own loop takes none of them.
    while stage.transit.control_dropped() == 0 {
        let node = NodeId::new("n").unwrap();
        stage.transit.tell(Message::Stranger { node, version: crate::protocol::ProtocolVersion::V5 });
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        stage.wait(Duration::from_secs(20));
        tokio::time::sleep(Duration::from_secs(20)).await;
        let heard = heard.0.lock().unwrap();
        let from_me = heard.iter().filter(|(_, packet)| packet.windows(4).any(|four| four == br#""me""#));
        assert_eq!(from_me.count(), 2, "this driver and the broker's own, each once");
    }
}

#[tokio::test]
async fn who_only_says_hello_is_remembered_for_a_while_and_not_without_end_many_are() {
    let tcp = Tcp::new().bind(Ipv4Addr::LOCALHOST).port(0).udp_discovery(false);
    let mut stage = Stage::set(tcp, true).await;
    let remembered = |stage: &Stage| {
        let ids = (0..100).map(|n| NodeId::new(format!("n{n}")).unwrap());
        ids.filter(|node| stage.transit.addresses().of(node).is_some()).count()
    };
    for n in 0..100 {
        let hello = json!({ "host": "127.0.0.1", "port": 9 });
        stage.packet(&format!("n{n}"), PacketKind::GossipHello, hello);
    }
    assert_eq!(remembered(&stage), 2 * MAX_NODES);
    stage.wait(Duration::from_secs(61));
    assert_eq!(remembered(&stage), 0);
}
