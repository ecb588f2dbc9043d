//! Peers named by the configuration are reported as sighted.

use ligand_transporters::{TransportError, transporter_for};

use crate::support::{Node, loopback};

#[tokio::test]
async fn each_peer_is_sighted_except_the_node_itself_whose_entry_supplies_the_port() {
    let free = Node::start("free").await;
    let port = free.port();
    free.stop().await;
    let urls = format!("127.0.0.1:{port}/me,tcp://127.0.0.1:4001/n1,broken,[::1]:4002/n2");
    let me = Node::start_with("me", loopback().urls(urls)).await;
    assert_eq!(me.port(), port);
    let expected = [("n1", "127.0.0.1:4001"), ("n2", "[::1]:4002")]
        .map(|(id, addr)| (id.to_owned(), addr.to_owned(), None));
    assert_eq!(me.log(|log| log.sighted.clone()), expected);
}

#[tokio::test]
async fn a_port_that_is_set_wins_over_the_own_entry() {
    let free = Node::start("free").await;
    let port = free.port();
    free.stop().await;
    let me = Node::start_with("me", loopback().port(port).urls("127.0.0.1:1/me")).await;
    assert_eq!(me.port(), port);
}

#[tokio::test]
async fn a_file_is_read_when_the_transporter_opens() {
    let path = std::env::temp_dir().join(format!("ligand-tcp-urls-{}.json", std::process::id()));
    std::fs::write(&path, r#"{"n1": "127.0.0.1:4001"}"#).unwrap();
    let me = Node::start_with("me", loopback().urls(format!("file://{}", path.display()))).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(me.log(|log| log.sighted.clone()), [("n1".to_owned(), "127.0.0.1:4001".to_owned(), None)]);
}

#[tokio::test]
async fn a_file_that_is_missing_is_an_error_with_its_name() {
    let Err(error) = Node::open("me", "", loopback().urls("file://no-such-peers.json")).await else {
        panic!("a file that does not exist was read")
    };
    assert!(matches!(error, TransportError::Config(_)));
    assert!(error.to_string().contains("no-such-peers.json"), "{error}");
}

#[test]
fn the_scheme_leads_here() {
    for url in ["TCP", "tcp://", "tcp://127.0.0.1:4001/n1?udpDiscovery=false"] {
        assert_eq!(transporter_for(url).unwrap().scheme(), "tcp");
    }
    assert!(matches!(transporter_for("tcp://?nope=1"), Err(TransportError::Config(_))));
}
