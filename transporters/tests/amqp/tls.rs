//! TLS: who is trusted, and as whom a node shows itself.

use ligand_transporters::PacketKind;
use tests_support::to;

use crate::node::{join, namespace, subscribe_all};
use crate::support::url;

fn with(variable: &str, query: &str) -> String {
    let files = std::env::var("TEST_TLS_DIR").expect("TEST_TLS_DIR is not set: see scripts/servers");
    format!("{}?{}", url(variable), query.replace('~', &files))
}

async fn works(url: &str) {
    let node = join(url, &namespace(), "me").await.unwrap();
    subscribe_all(&node).await;
    node.send(&to("me"), PacketKind::Ping, "there").unwrap();
    node.until("a frame arrives", |log| !log.frames.is_empty()).await;
    node.stop().await;
}

async fn refused(url: &str, why: &str) {
    let Err(error) = join(url, &namespace(), "me").await else { panic!("{url} was trusted") };
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test]
async fn a_server_of_the_right_authority_is_trusted() {
    works(&with("AMQP_TLS_URL", "tls.caFile=~/ca.pem")).await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not() {
    refused(&with("AMQP_TLS_URL", "tls.caFile=~/wrong-ca.pem"), "UnknownIssuer").await;
    refused(&with("AMQP_TLS_URL", ""), "UnknownIssuer").await;
}

#[tokio::test]
async fn nor_one_whose_certificate_has_expired_or_is_for_somebody_else() {
    refused(&with("AMQP_TLS_EXPIRED_URL", "tls.caFile=~/ca.pem"), "Expired").await;
    refused(&with("AMQP_TLS_WRONG_HOST_URL", "tls.caFile=~/ca.pem"), "not valid for").await;
    refused(&with("AMQP_TLS_URL", "tls.caFile=~/ca.pem&socketOptions.servername=elsewhere"), "not valid for")
        .await;
}

#[tokio::test]
async fn any_certificate_is_taken_only_where_that_is_asked_for_as_dangerous() {
    works(&with("AMQP_TLS_URL", "tls.dangerousAcceptAnyCertificate=true")).await;
}

#[tokio::test]
async fn a_node_logs_in_by_its_certificate() {
    let query = "tls.caFile=~/ca.pem&tls.certFile=~/client.pem&tls.keyFile=~/client.key";
    works(&with("AMQP_MTLS_URL", query)).await;
    works(&format!("{}&authMechanism=external", with("AMQP_TLS_URL", query))).await;
    let without = with("AMQP_MTLS_URL", "tls.caFile=~/ca.pem&authMechanism=EXTERNAL");
    refused(&without, "EXTERNAL").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    refused(&with("AMQP_TLS_URL", "tls.caFile=~/nowhere.pem"), "nowhere.pem").await;
}
