//! Protocol versions: each peer is sent what it speaks, and who speaks none of ours is told so.

use ligand::config::Protocol;
use serde_json::{Value, json};
use tests_support::log::Log;

use crate::peer::{Door, GOSSIP_REQ, HELLO, Line, PING, PONG, Peer, REQUEST, RESPONSE, request, service};
use crate::support::{builder, echo, loopback, on_this_thread, port_of, started, stop, until_counted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_version_4_gets_packets_of_version_4_without_headers() {
    let node = started("node", loopback()).await;
    let mut old = Peer::join("old", &node, service("old", "run")).await;
    let mut new = Peer::join("new", &node, service("new", "run")).await;
    old.ver = json!("4");
    old.caught_up().await;
    new.caught_up().await;
    for (peer, ver) in [(&mut old, "4"), (&mut new, "5")] {
        let action = format!("{}.run", peer.id);
        let call = tokio::spawn({
            let (node, action) = (node.clone(), action.clone());
            async move { node.call::<Value>(action, json!({})).header("h", 1).await }
        });
        let sent = peer.door.next(REQUEST).await.json();
        assert_eq!((&sent["ver"], &sent["sender"]), (&json!(ver), &json!("node")));
        assert_eq!(sent.get("headers").is_some(), ver == "5", "{sent}");
        let answer = json!({ "id": sent["id"], "success": true, "data": ver, "meta": {} });
        peer.send(RESPONSE, answer).await;
        assert_eq!(call.await.unwrap().unwrap(), ver);

        peer.request("r", "echo.echo", json!(1)).await;
        let answer = peer.response("r").await;
        assert_eq!((&answer["ver"], &answer["data"]), (&json!(ver), &json!(1)));
        assert_eq!(answer.get("headers").is_some(), ver == "5", "{answer}");
        peer.send(PING, json!({ "time": 1, "id": "p" })).await;
        assert_eq!(peer.door.next(PONG).await.json()["ver"], ver);
    }
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_configured_for_version_4_stamps_4() {
    let mut door = Door::open().await;
    let tcp = loopback().urls(format!("127.0.0.1:{}/other", door.port));
    let node = builder("node", tcp).configure(|config| config.protocol = Protocol::V4).build().unwrap();
    node.start().await.unwrap();
    for code in [HELLO, GOSSIP_REQ] {
        assert_eq!(door.next(code).await.json()["ver"], "4");
    }
    stop([&node]).await;
}

#[tokio::test]
async fn requests_of_unknown_versions_are_answered_and_logged_once_a_minute() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let node = on_this_thread("node", loopback()).service(echo()).build().unwrap();
    node.start().await.unwrap();
    let mut peer = Peer::greet("from-the-past", port_of(&node).await).await;
    for (n, ver) in [json!("3"), json!(5), json!("6"), Value::Null, json!({ "a": 1 })].into_iter().enumerate()
    {
        let id = format!("r{n}");
        peer.ver = ver.clone();
        peer.request(&id, "echo.echo", json!(1)).await;
        let answer = peer.response(&id).await;
        assert_eq!(answer["error"]["type"], "PROTOCOL_VERSION_MISMATCH", "version {ver}: {answer}");
        assert_eq!(answer["error"]["name"], "ProtocolVersionMismatchError", "version {ver}: {answer}");
    }
    for n in 0..100 {
        peer.request(&format!("more-{n}"), "echo.echo", json!(1)).await;
    }
    peer.response("more-99").await;
    until_counted(&node, |stats| stats.wrong_version == 105).await;
    // A version we speak is another matter.
    peer.ver = json!("5");
    peer.caught_up().await;
    let lines = log.with("from-the-past");
    assert_eq!(lines.len(), 1, "{lines:?}");
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_no_text_is_not_taken_for_ours() {
    let node = started("node", loopback()).await;
    let mut line = Line::open(port_of(&node).await).await;
    let mut packet = request("r", "echo.echo", json!(1));
    (packet["ver"], packet["sender"]) = (json!(5), json!("p"));
    line.send_json(REQUEST, &packet).await;
    until_counted(&node, |stats| stats.wrong_version == 1).await;
    stop([&node]).await;
}
