//! What is wrong with a configuration, where it was written, and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The program itself, or a default.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
            Self::Code => f.write_str("the configuration given in code"),
        }
    }
}

/// A configuration that cannot be used.
///
/// Messages name the option by its full path and never show passwords of a transporter. `Debug` prints the
/// message, because a `main` that returns an error prints it so.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No option has this name.
    #[error("unknown option `{path}` in {origin}{} ({}: {})", hint(suggestion.as_deref()), level(path), valid.join(", "))]
    UnknownOption {
        /// The keys as written, joined by dots.
        path: String,
        /// Where it was written.
        origin: Origin,
        /// The nearest option, as a full path.
        suggestion: Option<String>,
        /// The keys that are valid on this level.
        valid: Vec<String>,
    },
    /// No option belongs to this environment variable.
    #[error("unknown environment variable `{name}`{} (valid on this level: {})", hint(suggestion.as_deref()), valid.join(", "))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The nearest variable.
        suggestion: Option<String>,
        /// The variables that are valid on this level.
        valid: Vec<String>,
    },
    /// An option of Moleculer without a counterpart here.
    #[error("`{path}` in {origin} is a Moleculer option that ligand does not support yet: remove it")]
    Unsupported {
        /// The option.
        path: String,
        /// Where it was written.
        origin: Origin,
    },
    /// The value has the wrong type, form or range.
    #[error("`{path}` in {origin} is {found}: expected {expected}")]
    InvalidValue {
        /// The option, or the place inside it.
        path: String,
        /// Where it was written.
        origin: Origin,
        /// What is written there.
        found: String,
        /// What to write instead, with a reason in parentheses where there is more to say.
        expected: String,
    },
    /// The value can be read and cannot work, by itself or together with another one.
    #[error("`{path}` in {origin} cannot work: {reason}")]
    Unusable {
        /// The option.
        path: String,
        /// Where it was written.
        origin: Origin,
        /// Why, and what to do.
        reason: String,
    },
    /// The same option was written twice in one place.
    #[error("`{path}` is set twice, by {first} and by {second}: keep one of them")]
    Ambiguous {
        /// The option.
        path: String,
        /// One spelling.
        first: String,
        /// The other spelling.
        second: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what its extension says.
    #[error("the configuration file `{}` is no valid {format}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// TOML, JSON or YAML.
        format: &'static str,
        /// What the parser says, with the place where it knows it, without the text of the file.
        message: String,
    },
    /// The extension of the file says nothing about its format.
    #[error("cannot tell the format of `{}`: name it .toml, .json, .yaml or .yml", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
}

/// Lets `Debug` print the message of an error: that is how `main` shows what it returns.
macro_rules! debug_is_text {
    ($($error:ty),+) => {
        $(impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        })+
    };
}
pub(crate) use debug_is_text;

debug_is_text!(ConfigError);

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map(|nearest| format!(": did you mean `{nearest}`?")).unwrap_or_default()
}

/// Where the valid keys beside `path` are.
fn level(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((group, _)) => format!("valid in `{group}`"),
        None => "valid on the top level".to_owned(),
    }
}
