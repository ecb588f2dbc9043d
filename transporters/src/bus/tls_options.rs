//! Which servers are trusted, and how this node identifies itself.

use crate::options;
use crate::options::{FLAG, Foreign, TEXT};

/// Node's names for the same options, where they hold a certificate rather than a file.
const FOREIGN: &[(&str, Foreign)] = &[(
    "tls.rejectUnauthorized",
    Foreign::Only("true", "true, or switch verification off by tls.dangerousAcceptAnyCertificate=true"),
)];

options! {
    /// TLS for connections with a message server. Files are in PEM format.
    #[derive(Clone, PartialEq, Eq)]
    pub struct TlsOptions of "TLS", elsewhere FOREIGN;
    fields {
        /// File with the certificates of the trusted authorities. The default is those of the system.
        "tls.caFile": TEXT => pub ca_file: Option<String> = None;
        /// File with the certificate that this node shows, and the chain behind it.
        "tls.certFile": TEXT => pub certificate_file: Option<String> = None;
        /// File with the key of that certificate.
        "tls.keyFile": TEXT => pub key_file: Option<String> = None;
        /// Whether any certificate is accepted. Anyone between the node and the server can then read and
        /// change everything.
        "tls.dangerousAcceptAnyCertificate": FLAG => pub dangerous_accept_any_certificate: bool = false;
    }
}
