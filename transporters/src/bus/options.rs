//! Options as text: in the query of a URL, in a configuration file.

use super::BusLimits;
use crate::TransportError;
pub(crate) use crate::option_values::{Expected, count, flag, milliseconds, parsed, seconds};

/// Options that are set by name, with the [`BusLimits`] among them.
pub(crate) trait OptionText {
    /// For messages: `NATS`.
    const KIND: &'static str;
    /// Names of the backend's own options.
    const NAMES: &'static [&'static str];
    /// Names of Node's options that mean nothing here, with the reason.
    const IGNORED: &'static [(&'static str, &'static str)] = &[];

    /// Names of options that hold addresses of servers, for [`Self::add_servers`].
    const SERVERS: &'static [&'static str] = &[];

    fn limits(&mut self) -> &mut BusLimits;

    /// Adds servers from text, with the options behind them.
    ///
    /// # Errors
    /// [`TransportError::Config`] without credentials.
    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let _ = text;
        Ok(())
    }

    /// Sets one of the backend's own: `None` when there is none of that name.
    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>>;

    /// Sets one option. Objects have their keys joined by dots: `tls.caFile`.
    ///
    /// # Errors
    /// [`TransportError::Config`] when there is no such option or the value does not fit. Values are not
    /// printed: they may be secret.
    fn set(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        let value = value.trim();
        if Self::SERVERS.contains(&name) {
            return self.add_servers(value);
        }
        if value.starts_with('{') {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value)
                .map_err(|error| self.wrong(name, &format!("an object ({error})")))?;
            for (key, value) in object {
                let value = match value {
                    // Node's way to leave an option out.
                    serde_json::Value::Null => continue,
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                };
                self.set(&format!("{name}.{key}"), &value)?;
            }
            return Ok(());
        }
        if let Some((_, why)) = Self::IGNORED.iter().find(|(ignored, _)| *ignored == name) {
            tracing::warn!(transporter = Self::KIND, option = name, "an option has no effect here: {why}");
            return Ok(());
        }
        let own = self.set_own(name, value);
        match own.or_else(|| self.limits().set(name, value)) {
            Some(Ok(())) => Ok(()),
            Some(Err(expected)) => Err(self.wrong(name, expected)),
            None => {
                let known = [Self::NAMES, BusLimits::NAMES].concat().join(", ");
                let kind = Self::KIND;
                let message = format!("the {kind} transporter has no option `{name}`: it has {known}");
                Err(TransportError::Config(message))
            }
        }
    }

    /// An error about the value of an option.
    fn wrong(&self, name: &str, expected: &str) -> TransportError {
        let kind = Self::KIND;
        TransportError::Config(format!(
            "option `{name}` of the {kind} transporter has a wrong value: give {expected}"
        ))
    }
}
