//! Pieces of streams, which no node of ours takes yet: whoever opens one is told so, the rest is counted, and
//! nothing is kept of either.

use ligand::transport::PacketKind;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::IntoFuture as _;
use std::time::Instant;
use tests_support::outsider::packets::service;
use tests_support::outsider::payloads::{belated, odd_places, piece};
use tests_support::{is, to, until, within};

use super::stage::{Manner, Stage};

/// So many are under way at most, as in `flood.rs`.
const AT_ONCE: usize = 250;

pub(crate) async fn on(url: &str) {
    let stage = Stage::set(url, Manner::default()).await;
    without_a_beginning(&stage).await;
    odd_numbers(&stage).await;
    after_the_end(&stage).await;
    many_open_ones(&stage).await;
    as_an_answer(&stage).await;
    stage.end().await;
}

async fn request(stage: &Stage, packet: Value) {
    let packet = stage.attacker.signed(packet).to_string();
    stage.attacker.push(&to("victim"), PacketKind::Request, packet.as_bytes()).await.unwrap();
}

/// Waits until the victim has ignored so many pieces since it had ignored `before`.
async fn ignored(stage: &Stage, what: &str, before: u64, count: usize) {
    let all = before + count as u64;
    until(what, async || is(stage.victim.stats(), |stats| stats.streams_ignored >= all)).await;
    assert_eq!(stage.victim.stats().streams_ignored, all, "{what}");
}

/// The id and the type of the error of each answer since the last look, once there are so many.
async fn refusals(stage: &Stage, count: usize) -> HashMap<String, Value> {
    let mut heard = stage.attacker.heard(PacketKind::Response);
    while heard.len() < count {
        heard.push(stage.attacker.hears(PacketKind::Response).await);
    }
    let count = heard.len();
    let refusals = heard.into_iter().map(|mut answer| {
        (answer["id"].as_str().unwrap_or_default().to_owned(), answer["error"]["type"].take())
    });
    let refusals: HashMap<_, _> = refusals.collect();
    assert_eq!(refusals.len(), count, "nobody is answered twice");
    refusals
}

/// Pieces of streams that nobody opened.
async fn without_a_beginning(stage: &Stage) {
    let before = stage.victim.stats().streams_ignored;
    for n in 0..5_000 {
        request(stage, piece(&format!("headless-{n}"), 7, true)).await;
        if (n + 1) % AT_ONCE == 0 {
            stage.caught_up(n).await;
        }
    }
    ignored(stage, "streams without a beginning", before, 5_000).await;
    assert_eq!(refusals(stage, 0).await, HashMap::new());
    stage.is_calm("streams without a beginning").await;
}

/// Places in a stream that are no numbers of pieces, and one that comes again.
async fn odd_numbers(stage: &Stage) {
    let before = stage.victim.stats().streams_ignored;
    request(stage, piece("odd", 0, true)).await;
    let mut pieces = 0;
    for (n, (seq, is_piece)) in odd_places().into_iter().enumerate() {
        request(stage, piece(&format!("odd-{n}"), seq, true)).await;
        pieces += usize::from(is_piece);
    }
    stage.caught_up(17).await;
    ignored(stage, "odd numbers", before, pieces).await;
    let mut refusals = refusals(stage, 1 + odd_places().len() - pieces).await;
    assert_eq!(refusals.remove("odd").unwrap(), "STREAM_NOT_SUPPORTED");
    for (n, (seq, is_piece)) in odd_places().into_iter().enumerate() {
        let answer = refusals.remove(&format!("odd-{n}"));
        let expected = (!is_piece).then(|| json!("INVALID_PACKET_DATA"));
        assert_eq!(answer, expected, "{seq}");
    }
    stage.is_calm("odd numbers in streams").await;
}

/// Pieces behind the end of a stream, and in the stream of somebody else.
async fn after_the_end(stage: &Stage) {
    let before = stage.victim.stats().streams_ignored;
    let mut pieces = 0;
    request(stage, piece("ended", 0, true)).await;
    for belated in belated("ended") {
        request(stage, belated).await;
        pieces += 1;
    }
    // In the stream of somebody else.
    let other = stage.outsider("other").await;
    let foreign = other.signed(piece("ended", 1, true)).to_string();
    other.push(&to("victim"), PacketKind::Request, foreign.as_bytes()).await.unwrap();
    stage.caught_up(18).await;
    ignored(stage, "pieces behind the end", before, pieces + 1).await;
    let refusals = refusals(stage, 1).await;
    assert_eq!(refusals, HashMap::from([("ended".to_owned(), json!("STREAM_NOT_SUPPORTED"))]));
    stage.is_calm("pieces behind the end").await;
}

/// More streams at once than anybody needs.
async fn many_open_ones(stage: &Stage) {
    const OPEN: usize = 10_000;
    let (before, from) = (stage.victim.stats().streams_ignored, Instant::now());
    let mut refused = HashMap::new();
    for n in 0..OPEN {
        let id = format!("open-{n}");
        request(stage, piece(&id, 0, true)).await;
        request(stage, piece(&id, 1, true)).await;
        if (2 * n + 2) % AT_ONCE == 0 {
            stage.caught_up(n).await;
            refused.extend(refusals(stage, 0).await);
        }
    }
    ignored(stage, "many open streams", before, OPEN).await;
    refused.extend(refusals(stage, OPEN - refused.len()).await);
    println!("{OPEN} streams were opened within {:.1?}", from.elapsed());
    assert_eq!(refused.len(), OPEN);
    assert!(refused.values().all(|kind| kind == "STREAM_NOT_SUPPORTED"));
    stage.is_calm("many open streams").await;
}

/// The same the other way: an answer that is a stream fails its call, and the rest belongs to nobody.
async fn as_an_answer(stage: &Stage) {
    let streamer = stage.outsider("streamer").await;
    streamer.info("i", 1, &json!([service("streams", &["it"], &[])]));
    within("the outsider is known", stage.victim.wait_for(&["streams"])).await.unwrap();
    let before = stage.victim.stats().orphans;
    let call = stage.victim.call::<Value>("streams.it", ()).into_future();
    let (answer, ()) = tokio::join!(call, async {
        let request = within("it is asked", streamer.hears(PacketKind::Request)).await;
        for seq in 0..100 {
            let piece = json!({
                "id": request["id"], "success": true, "data": "piece", "meta": {}, "stream": seq < 99, "seq": seq,
            });
            streamer.to("victim", PacketKind::Response, piece);
        }
    });
    assert_eq!(answer.unwrap_err().error_type(), Some("STREAM_NOT_SUPPORTED"));
    until("the rest is counted", async || is(stage.victim.stats(), |stats| stats.orphans >= before + 99))
        .await;
    stage.is_calm("streams as answers").await;
}
