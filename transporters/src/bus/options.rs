//! Options of a transporter that has a list of servers.

use std::borrow::Cow;

use super::{Form, Server, Servers};
use crate::TransportError;
use crate::options::{self, Also, Options};

/// Options with a list of servers among them.
pub(crate) trait ServerOptions: Options + Sized {
    /// What the URLs look like.
    const FORM: Form;

    /// Adds servers, in the order in which they are tried.
    ///
    /// # Errors
    /// [`TransportError::Config`] when they do not go together.
    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError>;

    /// A list of servers as it is parsed: the place for forms that Node takes besides.
    ///
    /// # Errors
    /// [`TransportError::Config`] when it is in none of them.
    fn plain_list(text: &str) -> Result<Cow<'_, str>, TransportError> {
        Ok(text.into())
    }

    /// Checks what single options cannot.
    ///
    /// # Errors
    /// [`TransportError::Config`] says what does not go together.
    fn validate(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Adds servers from text, and sets the options behind them.
    ///
    /// # Errors
    /// [`TransportError::Config`] without credentials.
    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let Servers { list, options } = Servers::parse(&Self::plain_list(text)?, Self::FORM)?;
        self.take(list)?;
        options.iter().try_for_each(|(name, value)| options::set(self, name, value))
    }

    /// Adds the servers of a URL. A bare name, as Node has it, stands for the default.
    ///
    /// # Errors
    /// As [`Self::add_servers`].
    fn add_url(&mut self, url: &str) -> Result<(), TransportError> {
        let is_name = Self::FORM.schemes.iter().any(|(scheme, _)| scheme.eq_ignore_ascii_case(url));
        if is_name { Ok(()) } else { self.add_servers(url) }
    }

    /// The option that holds the list: never printed, for there may be passwords in it.
    const SERVERS: Also<Self> =
        Also::new(|options: &mut Self, _, text| Ok(options.add_servers(text)?)).secret();
}
