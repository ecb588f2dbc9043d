//! A layer that calls on more than once with one context: each call gets the answer that belongs to it.

use ligand::layer::{Side, WrappedAction, wrap_fn};
use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{ActionFn, Codec, Payload, Reply};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use std::sync::Arc;
use tests_support::outsider::packets::service as published;
use tests_support::outsider::peer::Peer;

use crate::ways::{ms, secs};

fn both(one: Reply, other: Reply) -> Reply {
    let read = |reply: Reply| reply.into_body().take::<Value>().unwrap();
    Reply::typed(json!([read(one), read(other)]))
}

async fn with_layer(
    layer: impl Fn(&WrappedAction<'_>, ActionFn) -> ActionFn + Send + Sync + 'static,
) -> (RunningBroker, Peer) {
    let network = Network::new();
    let broker =
        TestBroker::new().node_id("a").transporter(network.transporter()).layer(wrap_fn(layer)).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    (broker, peer)
}

#[tokio::test(start_paused = true)]
async fn two_at_the_same_time_both_settle_with_their_own_answers() {
    let hedge = |action: &WrappedAction<'_>, next: ActionFn| -> ActionFn {
        if action.side() == Side::Local {
            return next;
        }
        Arc::new(move |cx, mut params: Payload| {
            let copy = params.share(Codec::Json).unwrap();
            let (one, other) = (next(cx.clone(), params), next(cx, copy));
            Box::pin(async move {
                let (one, other) = tokio::join!(one, other);
                Ok(both(one?, other?))
            })
        })
    };
    let (broker, peer) = with_layer(hedge).await;
    let call = tokio::time::timeout(secs(2), broker.call::<Value>("other.it", ()).into_future());
    let (answer, ()) = tokio::join!(call, async {
        let (one, other) = (peer.hears(PacketKind::Request).await, peer.hears(PacketKind::Request).await);
        assert_ne!(one["id"], other["id"]);
        assert_eq!(one["requestID"], other["requestID"], "they are part of one tree");
        peer.answer(&other, &json!("second"));
        peer.answer(&one, &json!("first"));
    });
    assert_eq!(answer.expect("both settle").unwrap(), json!(["first", "second"]));
    let stats = broker.stats();
    assert_eq!((stats.pending, stats.responses, stats.orphans), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_one_that_was_given_up_does_not_settle_the_next() {
    let again = |action: &WrappedAction<'_>, next: ActionFn| -> ActionFn {
        if action.side() == Side::Local {
            return next;
        }
        Arc::new(move |cx, mut params: Payload| {
            let copy = params.share(Codec::Json).unwrap();
            let next = Arc::clone(&next);
            Box::pin(async move {
                match tokio::time::timeout(ms(50), next(cx.clone(), params)).await {
                    Ok(answer) => answer,
                    Err(_) => next(cx, copy).await,
                }
            })
        })
    };
    let (broker, peer) = with_layer(again).await;
    let call = tokio::time::timeout(secs(2), broker.call::<Value>("other.it", ()).into_future());
    let (answer, ()) = tokio::join!(call, async {
        let (one, other) = (peer.hears(PacketKind::Request).await, peer.hears(PacketKind::Request).await);
        assert_ne!(one["id"], other["id"]);
        peer.answer(&one, &json!("late"));
        tokio::time::sleep(ms(5)).await;
        assert_eq!((broker.stats().orphans, broker.stats().pending), (1, 1));
        peer.answer(&other, &json!("in time"));
    });
    assert_eq!(answer.unwrap().unwrap(), "in time");
}

#[tokio::test(start_paused = true)]
async fn one_that_was_answered_leaves_its_id_to_the_next() {
    let twice = |action: &WrappedAction<'_>, next: ActionFn| -> ActionFn {
        if action.side() == Side::Local {
            return next;
        }
        Arc::new(move |cx, mut params: Payload| {
            let copy = params.share(Codec::Json).unwrap();
            let next = Arc::clone(&next);
            Box::pin(async move { Ok(both(next(cx.clone(), params).await?, next(cx, copy).await?)) })
        })
    };
    let (broker, peer) = with_layer(twice).await;
    let (answer, ()) = tokio::join!(broker.call::<Value>("other.it", ()).into_future(), async {
        let one = peer.hears(PacketKind::Request).await;
        peer.answer(&one, &json!(1));
        let other = peer.hears(PacketKind::Request).await;
        assert_eq!(one["id"], other["id"], "as Node, which has one id for a context");
        peer.answer(&other, &json!(2));
    });
    assert_eq!(answer.unwrap(), json!([1, 2]));
}
