//! An error as it travels (protocol chapter 6.6).

use super::Raw;

/// The error object of a failed answer, or of a request stream that failed.
///
/// Everything that Node put in is kept: what has a field of its own there, and other keys in `extra`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WireError {
    /// Class name; decides how Node rebuilds it.
    pub(crate) name: String,
    /// What happened.
    pub(crate) message: String,
    /// Node that raised it; kept when it is passed on.
    pub(crate) node_id: Option<String>,
    /// A number, or a text for system errors.
    pub(crate) code: Option<Code>,
    /// Machine-readable type such as `SERVICE_NOT_FOUND`.
    pub(crate) kind: Option<String>,
    /// Whether another attempt may help; missing for errors that are not Moleculer's.
    pub(crate) retryable: Option<bool>,
    /// Stack trace.
    pub(crate) stack: Option<String>,
    /// Details. Node needs them to rebuild most of its own classes (protocol chapter 13.2, Q1).
    pub(crate) data: Option<Raw>,
    /// Keys that the protocol does not name, at most the first 64.
    pub(crate) extra: Vec<(String, Raw)>,
}

impl WireError {
    /// An error with nothing but a name and a message.
    pub(crate) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            node_id: None,
            code: None,
            kind: None,
            retryable: None,
            stack: None,
            data: None,
            extra: Vec::new(),
        }
    }
}

/// The code of an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Code {
    /// An integer, as all of Moleculer's are.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A system error's code such as `ECONNREFUSED`.
    Text(String),
}
