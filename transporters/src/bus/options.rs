//! Options of a transporter that connects to a list of servers.

use std::borrow::Cow;

use super::{Form, Server, Servers};
use crate::TransportError;
use crate::options::{self, Also, Options};

/// Options that include a list of servers.
pub(crate) trait ServerOptions: Options + Sized {
    /// What the URLs look like.
    const FORM: Form;

    /// Adds servers, in the order in which they are tried.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the servers do not fit together.
    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError>;

    /// Turns a list of servers into the form that is parsed. A transporter that accepts other forms of Node
    /// converts them here.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the list has none of these forms.
    fn plain_list(text: &str) -> Result<Cow<'_, str>, TransportError> {
        Ok(text.into())
    }

    /// Checks that the options fit together, which single options cannot.
    ///
    /// # Errors
    /// [`TransportError::Config`] says which options contradict each other.
    fn validate(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Adds servers from text, and sets the options that follow them.
    ///
    /// # Errors
    /// [`TransportError::Config`] without credentials.
    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let Servers { list, options } = Servers::parse(&Self::plain_list(text)?, Self::FORM)?;
        self.take(list)?;
        options.iter().try_for_each(|(name, value)| options::set(self, name, value))
    }

    /// Adds the servers of a URL. A bare name, as in Node, stands for the default.
    ///
    /// # Errors
    /// As [`Self::add_servers`].
    fn add_url(&mut self, url: &str) -> Result<(), TransportError> {
        let is_name = Self::FORM.schemes.iter().any(|(scheme, _)| scheme.eq_ignore_ascii_case(url));
        if is_name { Ok(()) } else { self.add_servers(url) }
    }

    /// The option that holds the list. It is never printed, because it may contain passwords.
    const SERVERS: Also<Self> =
        Also::new(|options: &mut Self, _, text| Ok(options.add_servers(text)?)).secret();
}
