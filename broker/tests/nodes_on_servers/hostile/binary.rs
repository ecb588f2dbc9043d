//! Clusters that speak MsgPack and CBOR; where it can, the server balances.

use ligand::config::SerializerKind;
use ligand::transport::PacketKind;
use tests_support::outsider::binary::Format;
use tests_support::outsider::dice::Dice;
use tests_support::outsider::{captured, payloads};
use tests_support::to;

use super::stage::{Manner, Stage};

const MUTATIONS: usize = 2_000;

pub(crate) async fn msgpack_on(url: &str) {
    on(url, SerializerKind::MsgPack, Format::MsgPack, "serializers/msgpack-request.bin").await;
}

pub(crate) async fn cbor_on(url: &str) {
    on(url, SerializerKind::Cbor, Format::Cbor, "serializers/cbor-request.bin").await;
}

async fn on(url: &str, serializer: SerializerKind, format: Format, captured: &str) {
    let stage = Stage::set(url, Manner { serializer, balanced: true, ..Manner::default() }).await;
    let mut expected = stage.malformed();
    for payload in payloads::no_packets() {
        expected += stage.everywhere(payload).await;
    }
    stage.counted("what is no packet", expected).await;
    stage.is_calm("what is no packet").await;

    // Values nested too deep, and headers that promise gigabytes: in a request that says who asks, as a body of
    // every kind of packet, and bare.
    let values = format.nested().into_iter().chain(format.boastful());
    for (n, (what, value)) in values.enumerate() {
        let id = format!("odd-{n}");
        let answer = stage.ask(&id, &format.request("attacker", &id, value.clone())).await;
        assert!(answer.contains("INVALID_PACKET_DATA"), "{what}: {answer:?}");
        let before = stage.malformed();
        for (route, kind) in &stage.topics {
            stage.attacker.push(route, *kind, &packet(format, *kind, value.clone())).await.unwrap();
        }
        let bare = stage.everywhere(&value).await;
        stage.counted(what, before + 2 * bare).await;
    }
    stage.is_calm("values that are too deep or too long").await;

    let (mut dice, request) = (Dice(0x5eed), captured::file(captured));
    for n in 0..MUTATIONS {
        let (route, kind) = dice.pick(&stage.topics);
        stage.attacker.push(route, *kind, &dice.mutated(&request)).await.unwrap();
        if n % 250 == 0 {
            let id = format!("caught-up-{n}");
            stage.ask(&id, &format.request("attacker", &id, format.text("x"))).await;
        }
    }
    stage.attacker.push(&to("victim"), PacketKind::Request, &request).await.unwrap();
    stage.is_calm("mutations").await;
    stage.end().await;
}

/// A packet with this value where those of its kind have one.
fn packet(format: Format, kind: PacketKind, value: Vec<u8>) -> Vec<u8> {
    let field = match kind {
        PacketKind::Event | PacketKind::Response => "data",
        PacketKind::Info => "services",
        PacketKind::Heartbeat => "cpu",
        PacketKind::Ping | PacketKind::Pong => "time",
        _ => "params",
    };
    format.map(&[
        ("ver", format.text("5")),
        ("sender", format.text("attacker")),
        ("id", format.text("deep")),
        ("event", format.text("order.made")),
        (field, value),
    ])
}
