//! The errors of a configuration: what is wrong, where it comes from, and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// The source of a value.
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
///
/// The message names the option by its full path. It never contains passwords of a transporter. `Debug`
/// prints the message, because a `main` that returns an error prints it with `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No option has this name.
    #[error("unknown option `{path}` in {origin}{} ({}: {})", hint(suggestion.as_deref()), level(path), valid.join(", "))]
    UnknownOption {
        /// The keys as written, joined by dots.
        path: String,
        /// The source that contains it.
        origin: Origin,
        /// The nearest option, by its full path.
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
    /// An option of Moleculer that ligand does not support.
    #[error("`{path}` in {origin} is a Moleculer option that ligand does not support yet: remove it")]
    Unsupported {
        /// The option.
        path: String,
        /// The source that contains it.
        origin: Origin,
    },
    /// The value has the wrong type, form or range.
    #[error("`{path}` in {origin} is {found}: expected {expected}")]
    InvalidValue {
        /// The option, or the part of it that is wrong.
        path: String,
        /// The source that contains it.
        origin: Origin,
        /// The value that was found.
        found: String,
        /// What to write instead, with a reason in parentheses if there is one.
        expected: String,
    },
    /// The value is readable, but cannot work, by itself or together with another one.
    #[error("`{path}` in {origin} cannot work: {reason}")]
    Unusable {
        /// The option.
        path: String,
        /// The source that contains it.
        origin: Origin,
        /// Why, and what to do.
        reason: String,
    },
    /// One source sets the same option twice.
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
        /// The cause.
        source: std::io::Error,
    },
    /// The content of the file does not match the extension.
    #[error("the configuration file `{}` is no valid {format}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// TOML, JSON or YAML.
        format: &'static str,
        /// The parser's message, with the position if it is known, without the text of the file.
        message: String,
    },
    /// The extension of the file does not name a known format.
    #[error("cannot tell the format of `{}`: name it .toml, .json, .yaml or .yml", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
}

/// Makes `Debug` print the message of an error, because `main` prints the error that it returns in this way.
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

/// Where the valid keys on the level of `path` are.
fn level(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((group, _)) => format!("valid in `{group}`"),
        None => "valid on the top level".to_owned(),
    }
}
