//! The schemes that a program adds to those that are compiled in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::{KNOWN, TransporterUrl, built_in, unknown};
use crate::{TransportError, Transporter};

type Make = Arc<dyn Fn(&TransporterUrl) -> Result<Arc<dyn Transporter>, TransportError> + Send + Sync>;

/// The transporters that a program knows, by the schemes of their URLs: those that are compiled in, and its
/// own.
///
/// ```
/// use ligand_transporters::memory::Memory;
/// use ligand_transporters::{Schemes, TransporterUrl};
///
/// let mut schemes = Schemes::default();
/// // Another name for networks of this process.
/// schemes.add("local", |url| Memory::from_url(&format!("memory://{}", url.place())))?;
/// let transporter = schemes.transporter(&TransporterUrl::new("local://orders"))?;
/// assert_eq!(transporter.url(), "memory://orders");
/// # Ok::<(), ligand_transporters::TransportError>(())
/// ```
#[derive(Clone, Default)]
pub struct Schemes {
    own: BTreeMap<String, Make>,
}

impl Schemes {
    /// Adds a scheme. `make` creates the transporter for a URL of that scheme. Schemes are not
    /// case-sensitive.
    ///
    /// # Errors
    /// [`TransportError::Config`] if `scheme` is not a valid URL scheme, or if it is taken.
    pub fn add<T: Transporter>(
        &mut self,
        scheme: &str,
        make: impl Fn(&TransporterUrl) -> Result<T, TransportError> + Send + Sync + 'static,
    ) -> Result<(), TransportError> {
        let scheme = scheme.to_ascii_lowercase();
        let wrong = |why: String| Err(TransportError::Config(why));
        let begins = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        if !begins || !scheme.chars().all(is_of_scheme) {
            return wrong(format!(
                "`{scheme}` is no scheme of a URL: one begins with a letter and has letters, digits, +, - and ."
            ));
        }
        if let Some((_, feature)) = KNOWN.iter().find(|(known, _)| *known == scheme) {
            let whose = if feature.is_empty() { "" } else { " in the feature " };
            return wrong(format!(
                "the scheme `{scheme}` is taken: ligand has a transporter of that name{whose}{feature}"
            ));
        }
        match self.own.entry(scheme) {
            Entry::Occupied(taken) => {
                wrong(format!("the scheme `{}` is taken: it was added before", taken.key()))
            }
            Entry::Vacant(free) => {
                free.insert(Arc::new(move |url| Ok(Arc::new(make(url)?))));
                Ok(())
            }
        }
    }

    /// The transporter that a URL names.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the scheme is unknown or not compiled in, or if the URL or an option has
    /// an error. The message says what to do.
    pub fn transporter(&self, url: &TransporterUrl) -> Result<Arc<dyn Transporter>, TransportError> {
        let scheme = url.scheme();
        match self.own.get(&scheme) {
            Some(make) => make(url),
            None => built_in(&scheme, url)
                .unwrap_or_else(|| Err(unknown(&scheme, self.own.keys().map(String::as_str)))),
        }
    }
}

impl fmt::Debug for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.own.keys()).finish()
    }
}

/// Whether a scheme may contain this character after its first letter (RFC 3986).
pub(super) fn is_of_scheme(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+-.".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Memory, Network};

    fn add(schemes: &mut Schemes, scheme: &str) -> String {
        let made = schemes.add(scheme, |_| Ok(Network::new().transporter()));
        made.map_or_else(|error| error.to_string(), |()| "added".to_owned())
    }

    #[test]
    fn a_scheme_is_one_of_a_url_and_nobody_elses() {
        let mut schemes = Schemes::default();
        for good in ["zenoh", "Ice+TLS", "a1-b.c"] {
            assert_eq!(add(&mut schemes, good), "added");
        }
        for bad in ["", "1a", "a b", "a://", "ä"] {
            assert!(add(&mut schemes, bad).contains("no scheme of a URL"), "{bad}");
        }
        for taken in ["memory", "tcp", "NATS", "kafka+tls", "zenoh", "ICE+tls"] {
            assert!(add(&mut schemes, taken).contains("is taken"), "{taken}");
        }
    }

    #[test]
    fn a_scheme_of_ones_own_is_found_and_suggested() {
        let mut schemes = Schemes::default();
        schemes.add("zenoh", |url| Memory::from_url(&format!("memory://{}", url.place()))).unwrap();
        let made = |url: &str| schemes.transporter(&TransporterUrl::new(url)).map(|made| made.url());
        assert_eq!(made("ZENOH://orders").unwrap(), "memory://orders");
        assert_eq!(made("zenoh").unwrap(), "memory://default");
        let error = made("zenho://a").unwrap_err().to_string();
        assert!(error.contains("did you mean `zenoh`?"), "{error}");
    }
}
