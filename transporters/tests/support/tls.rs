//! What every transporter must do about certificates.

use ligand_transporters::{TransportError, Transporter};
use std::sync::Arc;
use tests_support::Node;

use super::url;

/// Makes a transporter from a URL and options by name.
pub(crate) type Make = fn(&str, &[(&str, &str)]) -> Result<Arc<dyn Transporter>, TransportError>;

/// What a transporter says of a server's certificate that is not good enough. A refusal for another reason,
/// such as a listener that is not there, is none.
#[derive(Debug)]
pub(crate) struct Words {
    /// Signed by somebody who is not trusted.
    pub(crate) unknown: &'static str,
    /// Its time is over.
    pub(crate) expired: &'static str,
    /// It is for another host.
    pub(crate) elsewhere: &'static str,
}

impl Words {
    /// Those of rustls.
    pub(crate) const RUSTLS: Self =
        Self { unknown: "UnknownIssuer", expired: "Expired", elsewhere: "not valid for" };
}

/// Connects to the servers of a kind (`NATS`) whose certificates are right, expired, for another host, and
/// signed by somebody else.
pub(crate) async fn verifies(kind: &str, make: Make, words: Words) {
    let folder = url("TEST_TLS_DIR");
    let file = |name: &str| format!("{folder}/{name}");
    let (ca, wrong_ca) = (file("ca.pem"), file("wrong-ca.pem"));
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let client = [("tls.caFile", &*ca), ("tls.certFile", &*certificate), ("tls.keyFile", &*key)];
    let tries = async |variable: &str, options: &[(&str, &str)]| -> Result<(), TransportError> {
        let transporter = make(&url(&format!("{kind}_{variable}")), options)?;
        let node = Node::connect(&*transporter, "tls", "tls-node").await?;
        node.stop().await;
        Ok(())
    };
    let trusted = [("tls.caFile", &*ca)];
    let refused = async |variable: &str, options: &[(&str, &str)], word: &str| {
        let Err(error) = tries(variable, options).await else { panic!("{variable} was let pass: {word}") };
        let error = error.to_string();
        assert!(error.contains(word) && !error.contains("secret"), "not `{word}`: {error}");
    };

    tries("TLS_URL", &trusted).await.expect("the right authority");
    refused("TLS_URL", &[("tls.caFile", &wrong_ca)], words.unknown).await;
    // The system does not know the authority.
    refused("TLS_URL", &[], words.unknown).await;
    refused("TLS_EXPIRED_URL", &trusted, words.expired).await;
    refused("TLS_WRONG_HOST_URL", &trusted, words.elsewhere).await;
    refused("TLS_URL", &[("tls.caFile", "no-such-file.pem")], "no-such-file.pem").await;

    // Nothing but its certificate was wrong with any of them.
    let careless = [("tls.dangerousAcceptAnyCertificate", "true")];
    for variable in ["TLS_URL", "TLS_EXPIRED_URL", "TLS_WRONG_HOST_URL"] {
        tries(variable, &careless).await.expect("any certificate, when told so");
    }

    // The same listener lets in who shows a certificate, and nobody else. Why, it does not always get to
    // say: it closes the connection, which may take back its last words.
    tries("MTLS_URL", &client).await.expect("the right client certificate");
    let error = tries("MTLS_URL", &trusted).await.expect_err("no client certificate");
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    tries("MTLS_URL", &client).await.expect("it was about the certificate");
}
