//! From a URL to a transporter.

use std::sync::Arc;

use crate::{TransportError, Transporter};

/// The schemes this build understands, with the feature that brings each one; empty where none does.
pub const SCHEMES: &[(&str, &str)] = &[
    ("memory", ""),
    #[cfg(feature = "tcp")]
    ("tcp", "tcp"),
];

/// Schemes of transporters that exist, whether compiled in or not.
const KNOWN: &[(&str, &str)] = &[("tcp", "tcp")];

/// The transporter for a URL such as `tcp://` or `memory://name`, or for a bare name such as `TCP`, as
/// Moleculer writes it.
///
/// # Errors
/// [`TransportError::Config`] when the scheme is unknown or not compiled in, or when the URL has an
/// error; the message says what to do.
pub fn transporter_for(url: &str) -> Result<Arc<dyn Transporter>, TransportError> {
    let scheme = url.split_once("://").map_or(url, |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "memory" => Ok(Arc::new(crate::memory::Memory::from_url(url)?)),
        #[cfg(feature = "tcp")]
        "tcp" => Ok(Arc::new(crate::tcp::Tcp::from_url(url)?)),
        other => Err(unknown(other)),
    }
}

/// The transporter of a kind (`TCP`) with options by Node's names, as in Node's `{ type, options }`.
///
/// # Errors
/// [`TransportError::Config`] names an unknown kind, an unknown option, or a value that does not fit.
pub fn transporter_with(
    kind: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Arc<dyn Transporter>, TransportError> {
    match kind.to_ascii_lowercase().as_str() {
        #[cfg(feature = "tcp")]
        "tcp" => {
            let mut tcp = crate::tcp::TcpOptions::default();
            for (key, value) in options {
                tcp.set(&key, &value)?;
            }
            Ok(Arc::new(crate::tcp::Tcp::with_options(tcp)))
        }
        "memory" => match options.into_iter().next() {
            None => transporter_for("memory"),
            Some((key, _)) => Err(TransportError::Config(format!(
                "the memory transporter has no option `{key}`: name its network by a URL, `memory://name`"
            ))),
        },
        other => Err(unknown(other)),
    }
}

fn unknown(scheme: &str) -> TransportError {
    let compiled: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    let compiled = compiled.join(", ");
    TransportError::Config(match KNOWN.iter().find(|(known, _)| *known == scheme) {
        Some((_, feature)) => format!(
            "the transporter `{scheme}` is not compiled in: enable the feature `{feature}` of ligand (compiled in: {compiled})"
        ),
        None => format!("unknown transporter scheme `{scheme}`: compiled in are {compiled}"),
    })
}

/// Whatever names a transporter: a URL, or a configured transporter.
pub trait IntoTransporter: sealed::Sealed {
    /// The transporter.
    ///
    /// # Errors
    /// As [`transporter_for`].
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError>;
}

impl IntoTransporter for &str {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(self)
    }
}

impl IntoTransporter for String {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(&self)
    }
}

impl IntoTransporter for &String {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        transporter_for(self)
    }
}

impl<T: Transporter> IntoTransporter for T {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        Ok(Arc::new(self))
    }
}

impl IntoTransporter for Arc<dyn Transporter> {
    fn into_transporter(self) -> Result<Arc<dyn Transporter>, TransportError> {
        Ok(self)
    }
}

mod sealed {
    use super::{Arc, Transporter};

    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl<T: Transporter> Sealed for T {}
    impl Sealed for Arc<dyn Transporter> {}
}
