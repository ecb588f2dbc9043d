//! The URL or name of a transporter, in code and in a configuration.

use serde_json::Value;
use std::fmt;

use crate::TransportError;
use crate::options::{self, Options};

/// The name of a transporter: a URL, or a bare name such as `TCP`, and the options given beside it.
///
/// `Debug` prints only the scheme, because the rest may contain passwords.
#[derive(Clone, PartialEq)]
pub struct TransporterUrl {
    text: String,
    beside: Vec<(String, Value)>,
}

impl TransporterUrl {
    /// Creates it from a URL or a bare name, with no options beside it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), beside: Vec::new() }
    }

    /// Adds options beside the URL, as in Node's `{ type, options }`.
    #[must_use]
    pub fn with_options(mut self, options: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.beside.extend(options);
        self
    }

    /// The whole text, including passwords.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, or the bare name, in lower case.
    #[must_use]
    pub fn scheme(&self) -> String {
        self.text.split_once("://").map_or(&*self.text, |(scheme, _)| scheme).to_ascii_lowercase()
    }

    /// The part between `://` and `?`. Escapes such as `%20` are not decoded.
    #[must_use]
    pub fn place(&self) -> &str {
        self.parts().0
    }

    /// The options after the `?`, in order. Escapes such as `%20` are decoded. An option without `=` is
    /// `true`.
    pub fn query(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let pairs = self.parts().1.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            (percent_decoded(name), percent_decoded(value))
        })
    }

    /// The options beside the URL, in order.
    #[must_use]
    pub fn beside(&self) -> &[(String, Value)] {
        &self.beside
    }

    /// Sets the options after the `?`, and then those beside the URL.
    ///
    /// # Errors
    /// [`TransportError::Config`] names the first option that does not exist or whose value is not valid.
    pub fn configure<O: Options>(&self, options: &mut O) -> Result<(), TransportError> {
        self.query().try_for_each(|(name, value)| options::set(options, &name, &value))?;
        self.configure_beside(options)
    }

    pub(crate) fn configure_beside<O: Options>(&self, options: &mut O) -> Result<(), TransportError> {
        self.beside.iter().try_for_each(|(name, value)| options::set_value(options, name, value))
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_once('?').unwrap_or((rest, ""))
    }
}

impl fmt::Debug for TransporterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.text.split_once("://").map_or("", |(scheme, _)| scheme);
        f.debug_struct("TransporterUrl").field("scheme", &scheme).finish_non_exhaustive()
    }
}

/// Decodes bytes that are written as `%20`. Anything else stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let code = others.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = str::from_utf8(hex).ok().filter(|hex| !hex.starts_with('+'))?;
            u8::from_str_radix(hex, 16).ok()
        });
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { others.get(2..).unwrap_or_default() } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_place_and_a_query() {
        let url = TransporterUrl::new("Zenoh://user:canary@a:7447,b?mode=peer&quiet&path=%2Ftmp");
        assert_eq!((url.scheme().as_str(), url.place()), ("zenoh", "user:canary@a:7447,b"));
        let query: Vec<_> = url.query().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query, [pair("mode", "peer"), pair("quiet", "true"), pair("path", "/tmp")]);
        assert!(!format!("{url:?}").contains("canary"));
        let name = TransporterUrl::new("TCP");
        assert_eq!((name.scheme().as_str(), name.place(), name.query().count()), ("tcp", "", 0));
    }

    #[test]
    fn percent_codes_are_decoded_and_anything_else_stays() {
        assert_eq!(percent_decoded("a%2Cb%zz%4"), "a,b%zz%4");
        assert_eq!(percent_decoded("%+1%%41"), "%+1%A");
    }
}
