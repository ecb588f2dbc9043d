//! Whom this node trusts, and as whom it shows itself.

use ligand_transporters::TransportError;

use super::node::enters;
use super::url;

async fn is_refused(url: &str, words: &str) {
    let why = enters(url).await.unwrap_err();
    assert!(matches!(why, TransportError::Config(_)), "{why:?}");
    assert!(why.to_string().contains(words), "{why}");
}

fn file(name: &str) -> String {
    format!("{}/{name}", url("TEST_TLS_DIR"))
}

#[tokio::test]
async fn a_server_of_the_right_authority_is_trusted_and_no_other() {
    let server = url("NATS_TLS_URL");
    let ca = file("ca.pem");
    enters(&format!("{server}?tls.caFile={ca}")).await.unwrap();
    enters(&format!("{}?tls.caFile={ca}", server.replace("nats:", "tls:"))).await.unwrap();
    is_refused(&format!("{server}?tls.caFile={}", file("wrong-ca.pem")), "UnknownIssuer").await;
    // The server asks for TLS, so it is used, with what the system trusts.
    is_refused(&server, "UnknownIssuer").await;
    is_refused(&server.replace("nats:", "tls:"), "UnknownIssuer").await;
    enters(&format!("{server}?tls.dangerousAcceptAnyCertificate=true")).await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_and_one_for_another_host_are_refused() {
    let ca = file("ca.pem");
    is_refused(&format!("{}?tls.caFile={ca}", url("NATS_TLS_EXPIRED_URL")), "Expired").await;
    is_refused(&format!("{}?tls.caFile={ca}", url("NATS_TLS_WRONG_HOST_URL")), "elsewhere.test").await;
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_one() {
    let server = format!("{}?tls.caFile={}", url("NATS_MTLS_URL"), file("ca.pem"));
    let (certificate, key) = (file("client.pem"), file("client.key"));
    enters(&format!("{server}&tls.certFile={certificate}&tls.keyFile={key}")).await.unwrap();
    let why = enters(&server).await.unwrap_err();
    assert!(matches!(why, TransportError::Config(_) | TransportError::Connect { .. }), "{why:?}");
    let why = enters(&format!("{server}&tls.certFile={certificate}")).await.unwrap_err();
    assert!(why.to_string().contains("tls.keyFile"), "{why}");
}

#[tokio::test]
async fn where_tls_is_asked_for_nothing_is_sent_without() {
    for server in [url("NATS_URL").replace("nats:", "tls:"), format!("{}?tls=true", url("NATS_URL"))] {
        let why = enters(&server).await.unwrap_err();
        assert!(why.to_string().contains("TLS") || why.is_retryable(), "{why:?}");
    }
}
