//! The ways to say who asks.

use ligand_transporters::TransportError;

use super::node::enters;
use super::support::address;
use super::url;

/// No later attempt can succeed, and the message tells where but not what was tried.
async fn is_refused(url: &str) {
    let why = enters(url).await.unwrap_err();
    assert!(matches!(why, TransportError::Config(_)), "{why:?}");
    assert!(why.to_string().contains(address(url)), "{why}");
    assert!(!why.to_string().contains("canary"), "{why}");
}

#[tokio::test]
async fn a_user_with_a_password_enters() {
    let with_login = url("NATS_AUTH_URL");
    let host = address(&with_login);
    enters(&with_login).await.unwrap();
    enters(&format!("nats://{host}?user=ligand&pass=secret")).await.unwrap();
    is_refused(&format!("nats://{host}")).await;
    is_refused(&format!("nats://ligand:canary@{host}")).await;
    is_refused(&format!("nats://canary@{host}")).await;
}

#[tokio::test]
async fn a_token_enters() {
    let server = url("NATS_TOKEN_URL");
    let host = address(&server);
    enters(&format!("nats://{host}?token=s3cret")).await.unwrap();
    enters(&format!("nats://s3cret@{host}")).await.unwrap();
    is_refused(&format!("nats://{host}?token=canary")).await;
}

#[tokio::test]
async fn an_nkey_enters() {
    let server = url("NATS_NKEY_URL");
    enters(&format!("{server}?nkey={}", url("NATS_NKEY_SEED"))).await.unwrap();
    is_refused(&format!("{server}?nkey=SUcanary")).await;
}

#[tokio::test]
async fn a_credentials_file_enters() {
    let server = url("NATS_JWT_URL");
    enters(&format!("{server}?userCreds={}", url("NATS_CREDS"))).await.unwrap();
    is_refused(&server).await;
    let why = enters(&format!("{server}?userCreds=nowhere.creds")).await.unwrap_err();
    assert!(why.to_string().contains("nowhere.creds") && !why.is_retryable(), "{why}");
}
