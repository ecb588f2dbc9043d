//! What every transporter must do about certificates.

use std::sync::Arc;

use ligand_transporters::{TransportError, Transporter};

use super::node::Node;
use super::url;

/// Makes a transporter from a URL and options by name.
pub(crate) type Make = fn(&str, &[(&str, &str)]) -> Result<Arc<dyn Transporter>, TransportError>;

/// Connects to the servers of a kind (`NATS`) whose certificates are right, expired, for another host, and
/// signed by somebody else.
pub(crate) async fn verifies(kind: &str, make: Make) {
    let folder = url("LIGAND_TLS_DIR");
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

    tries("TLS_URL", &[("tls.caFile", &ca)]).await.expect("the right authority");
    tries("MTLS_URL", &client).await.expect("the right client certificate");
    let refused = |result: Result<(), TransportError>, what: &str| {
        let error = result.expect_err(what).to_string();
        assert!(!error.contains("secret"), "{error}");
    };
    refused(tries("TLS_URL", &[("tls.caFile", &wrong_ca)]).await, "another authority");
    refused(tries("TLS_URL", &[]).await, "an authority that the system does not know");
    refused(tries("TLS_EXPIRED_URL", &[("tls.caFile", &ca)]).await, "an expired certificate");
    refused(tries("TLS_WRONG_HOST_URL", &[("tls.caFile", &ca)]).await, "a certificate for another host");
    refused(tries("TLS_URL", &[("tls.caFile", "no-such-file.pem")]).await, "a file that is not there");

    let careless = [("tls.dangerousAcceptAnyCertificate", "true")];
    tries("TLS_URL", &careless).await.expect("any certificate, when told so");
}
