//! An error in its wire form (protocol chapter 6.6).

use super::Raw;

/// The error object of a failed answer, or of a request stream that failed.
///
/// Everything that Node has sent is kept: known keys in their fields, and others in `extra`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WireError {
    /// The name of the class. It decides how Node rebuilds the error.
    pub(crate) name: String,
    /// The message.
    pub(crate) message: String,
    /// The node that raised it. It is kept when the error is passed on.
    pub(crate) node_id: Option<String>,
    /// A number, or a string for system errors.
    pub(crate) code: Option<Code>,
    /// A machine-readable type, such as `SERVICE_NOT_FOUND`.
    pub(crate) kind: Option<String>,
    /// Whether another attempt may help. Missing for errors that are not Moleculer's.
    pub(crate) retryable: Option<bool>,
    /// The stack trace.
    pub(crate) stack: Option<String>,
    /// Details. Node needs them to rebuild most of its own classes (protocol chapter 13.2, Q1).
    pub(crate) data: Option<Raw>,
    /// Keys that the protocol does not define, at most the first 64.
    pub(crate) extra: Vec<(String, Raw)>,
}

impl WireError {
    /// An error with only a name and a message.
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
    /// The code of a system error, such as `ECONNREFUSED`.
    Text(String),
}
