//! Which servers are trusted, and as whom this node shows itself.

use super::options::{self, Expected};

/// TLS towards a message server.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Certificates of the authorities that are trusted (`tls.caFile`); without, those of the system.
    pub ca_file: Option<String>,
    /// The certificate this node shows (`tls.certFile`), with the chain behind it.
    pub certificate_file: Option<String>,
    /// The key of that certificate (`tls.keyFile`).
    pub key_file: Option<String>,
    /// Whether any certificate is taken for the server's
    /// (`tls.dangerousAcceptAnyCertificate`, default false): whoever sits in between can then read and
    /// change everything.
    pub dangerous_accept_any_certificate: bool,
}

impl TlsOptions {
    /// Sets one from text: `None` when there is none of that name. Node's names for the same are
    /// understood where they hold a file rather than a certificate.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        let file = Some(value.to_owned()).filter(|file| !file.is_empty());
        Some(match name {
            "tls.caFile" => {
                self.ca_file = file;
                Ok(())
            }
            "tls.certFile" => {
                self.certificate_file = file;
                Ok(())
            }
            "tls.keyFile" => {
                self.key_file = file;
                Ok(())
            }
            "tls.dangerousAcceptAnyCertificate" => {
                options::flag(value).map(|on| self.dangerous_accept_any_certificate = on)
            }
            "tls.rejectUnauthorized" => match options::flag(value) {
                Ok(true) => Ok(()),
                _ => Err("true, or switch verification off by tls.dangerousAcceptAnyCertificate=true"),
            },
            _ => return None,
        })
    }
}
