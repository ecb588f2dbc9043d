//! The error of a call: one type, whoever raised it and wherever.
//!
//! An [`Error`] keeps everything Moleculer puts on the wire (name, message, code, type, retryable,
//! data, node), so relaying a foreign error loses nothing. Beside that it says what the failure tells
//! about the handler ([`Error::outcome`]), which decides whether a call may be repeated.

mod ext;
mod kind;
mod wire;

use ligand_transporters::NodeId;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use ext::ResultExt;
pub use kind::{ErrorKind, Outcome};

/// `std::result::Result` with this crate's [`Error`] unless told otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call failed. One word wide, cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    name: Cow<'static, str>,
    message: String,
    code: Option<Code>,
    error_type: Option<Cow<'static, str>>,
    retryable: Option<bool>,
    data: Option<Value>,
    node: Option<NodeId>,
    stack: Option<String>,
    extra: Map<String, Value>,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How many violations a validation error prints; its data holds them all.
const VIOLATIONS: usize = 8;

/// The code of an error: HTTP-like numbers, or the text of a system error (`ECONNREFUSED`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Code {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl PartialEq<i64> for Code {
    fn eq(&self, other: &i64) -> bool {
        *self == Self::Number(*other)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The parts of an application error; what `#[derive(ActionError)]` fills in.
#[derive(Debug, Clone)]
pub struct ErrorParts {
    /// Class name on the wire.
    pub name: &'static str,
    /// Code.
    pub code: i64,
    /// Type, by which programs tell errors apart.
    pub error_type: &'static str,
    /// Message for people.
    pub message: String,
    /// Whether a caller may try again.
    pub retryable: bool,
    /// Anything more, as JSON.
    pub data: Option<Value>,
}

/// An error type that can be read back from an [`Error`] that crossed the network; implemented by
/// `#[derive(ActionError)]`.
pub trait FromActionError: Sized {
    /// The typed error, if `error` is one of this type.
    fn from_action_error(error: &Error) -> Option<Self>;
}

impl Error {
    /// An error of the caller's making, as Node's `MoleculerClientError`: not retryable.
    pub fn client(code: i64, error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::classed("MoleculerClientError", false, code, error_type.into(), message.into())
    }

    /// An error of the service's making, as Node's `MoleculerServerError`: retryable.
    pub fn server(code: i64, error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::classed("MoleculerServerError", true, code, error_type.into(), message.into())
    }

    /// An error that may pass, as Node's `MoleculerRetryableError`.
    pub fn retryable(
        code: i64,
        error_type: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::classed("MoleculerRetryableError", true, code, error_type.into(), message.into())
    }

    /// Something below broke. The source's text becomes the message, and travels to remote callers.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = source.into().into();
        let mut inner = Inner::of(ErrorKind::Internal, source.to_string());
        inner.source = Some(source);
        Self(Arc::new(inner))
    }

    /// Parameters did not fit; `data` lists what was wrong, as Node's validator does.
    pub fn validation(data: Value) -> Self {
        Self::with_kind(ErrorKind::Validation, data)
    }

    /// A call is refused before anything was run, as Node's `RequestRejectedError`: another node is asked, if there
    /// is one. What a layer gives that does not let a call through to the node that was picked.
    #[must_use]
    pub fn rejected(action: &str, node: Option<&NodeId>) -> Self {
        Self::of_action(ErrorKind::RequestRejected, action, node).with_outcome(Outcome::NotRun)
    }

    /// A service's own error from its parts.
    #[must_use]
    pub fn application(parts: ErrorParts) -> Self {
        let mut inner = Inner::of(ErrorKind::Application, parts.message);
        inner.name = Cow::Borrowed(parts.name);
        inner.code = Some(Code::Number(parts.code));
        inner.error_type = Some(Cow::Borrowed(parts.error_type));
        inner.retryable = Some(parts.retryable);
        inner.data = parts.data;
        Self(Arc::new(inner))
    }

    /// The same error with more data.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        self.edit(|inner| inner.data = Some(data))
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the failure tells about the handler.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Class name on the wire, for example `ValidationError`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The message, without what printing the error adds for people: hints that only a local caller gets,
    /// and what a validation found wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The code, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.0.code.as_ref()
    }

    /// The type, by which programs tell errors apart.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.0.error_type.as_deref()
    }

    /// Whether the one who raised it says that trying again may help. A peer may claim it wrongly.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or(false)
    }

    /// Anything more.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// The node that raised it, where known.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        self.0.node.as_ref()
    }

    /// The stack trace a remote node sent along, if it did.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.0.stack.as_deref()
    }

    /// The typed error it was made from, here or on another node.
    #[must_use]
    pub fn downcast<E: FromActionError>(&self) -> Option<E> {
        E::from_action_error(self)
    }

    fn classed(
        name: &'static str,
        retryable: bool,
        code: i64,
        error_type: Cow<'static, str>,
        message: String,
    ) -> Self {
        let mut inner = Inner::of(ErrorKind::Application, message);
        inner.name = Cow::Borrowed(name);
        inner.code = Some(Code::Number(code));
        inner.error_type = Some(error_type);
        inner.retryable = Some(retryable);
        Self(Arc::new(inner))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// What only the broker makes.
impl Error {
    pub(crate) fn with_kind(kind: ErrorKind, data: Value) -> Self {
        let mut inner = Inner::of(kind, kind.message(&data));
        inner.hint = violations(kind, Some(&data));
        inner.data = Some(data);
        Self(Arc::new(inner))
    }

    pub(crate) fn of_action(kind: ErrorKind, action: &str, node: Option<&NodeId>) -> Self {
        let data = match node {
            Some(node) => json!({ "action": action, "nodeID": node.as_str() }),
            None => json!({ "action": action }),
        };
        Self::with_kind(kind, data)
    }

    /// A call gave up after this long.
    pub(crate) fn timed_out(action: &str, node: Option<&NodeId>, waited: Option<Duration>) -> Self {
        let mut error = Self::of_action(ErrorKind::RequestTimeout, action, node);
        if let Some(waited) = waited {
            error = error.edit(|inner| {
                if let Some(Value::Object(data)) = &mut inner.data {
                    data.insert("timeout".to_owned(), millis(waited));
                }
                inner.hint = Some(format!("waited {waited:?}"));
            });
        }
        error.with_outcome(Outcome::MayHaveRun)
    }

    /// Nothing was called or sent, because this broker does not run.
    pub(crate) fn not_running(name: &str, node: &NodeId, why: &str) -> Self {
        let error = Self::of_action(ErrorKind::RequestRejected, name, Some(node));
        let error = error.with_message(format!("The broker is not running, {why}: '{name}' goes nowhere."));
        error.edit(|inner| inner.retryable = Some(false)).with_outcome(Outcome::NotRun)
    }

    /// A handler would wait for an event that is handled only after it.
    pub(crate) fn event_loop(event: &str, subscription: &str, service: &str) -> Self {
        Self::application(ErrorParts {
            name: "MoleculerError",
            code: 500,
            error_type: "EVENT_WAITS_FOR_ITSELF",
            message: format!(
                "The event '{event}' is awaited by a handler of the subscription to '{subscription}' of \
                 '{service}', which handles it only after that: emit it, or let a task of its own wait for it."
            ),
            retryable: false,
            data: Some(json!({ "event": event, "subscription": subscription, "service": service })),
        })
        .with_outcome(Outcome::NotRun)
    }

    /// There is no connection to the cluster; nothing was sent.
    pub(crate) fn disconnected() -> Self {
        Self::with_kind(ErrorKind::Disconnected, Value::Null).with_outcome(Outcome::NotRun)
    }

    /// A packet that is not sent, or not taken, as it is. It will be the same again, so this is not
    /// retryable.
    pub(crate) fn of_packet(code: i64, error_type: &'static str, message: String, data: Value) -> Self {
        Self::classed("MoleculerError", false, code, error_type.into(), message).with_data(data)
    }

    /// A packet above the limit of the transporter or of a layer.
    pub(crate) fn packet_too_large(message: String, size: usize, limit: usize) -> Self {
        Self::of_packet(413, "PACKET_TOO_LARGE", message, json!({ "size": size, "limit": limit }))
    }

    pub(crate) fn codec(message: impl fmt::Display) -> Self {
        Self(Arc::new(Inner::of(ErrorKind::Codec, message.to_string())))
    }

    /// A service's own error whose data cannot be written: a mistake in its type, which nobody shall overlook.
    pub(crate) fn unwritable_data(parts: &ErrorParts, field: &str, why: &str) -> Self {
        let ErrorParts { name, error_type, message, .. } = parts;
        let error = Self::codec(format_args!(
            "the error '{name}' of type '{error_type}' cannot be sent, because its field '{field}' cannot be \
             written as JSON ({why}): give it another type, or leave it out by #[action_error(skip)]; it says: \
             {message}"
        ));
        tracing::error!(error = %error, "a service's error cannot be sent");
        error
    }

    pub(crate) fn with_message(self, message: impl Into<String>) -> Self {
        self.edit(|inner| inner.message = message.into())
    }

    /// The same error that tells something else about the handler: a layer that refuses a call before it
    /// reaches the handler knows that it did not run.
    ///
    /// The wire has a place for it only where a ligand node refuses a packet, or passes a refusal on; otherwise a
    /// caller on another node goes by the rules of `docs/semantics.md`.
    ///
    /// ```
    /// use ligand::{Error, Outcome};
    ///
    /// let refused = Error::retryable(429, "TOO_MANY", "come back later").with_outcome(Outcome::NotRun);
    /// assert_eq!(refused.outcome(), Outcome::NotRun);
    /// ```
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        if self.0.outcome == outcome {
            return self;
        }
        self.edit(|inner| inner.outcome = outcome)
    }

    pub(crate) fn at_node(self, node: &NodeId) -> Self {
        self.edit(|inner| {
            inner.node.get_or_insert_with(|| node.clone());
        })
    }

    /// More for the eyes of whoever reads it here; never sent.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }
}

/// What Node's validator found wrong, for people: the error's own message does not say it.
fn violations(kind: ErrorKind, data: Option<&Value>) -> Option<String> {
    if kind != ErrorKind::Validation {
        return None;
    }
    let message = |violation: &Value| violation["message"].as_str().map(str::to_owned);
    let all: Vec<_> = data?.as_array()?.iter().filter_map(message).collect();
    let shown: Vec<_> = all.iter().take(VIOLATIONS).map(String::as_str).collect();
    let more = all.len().saturating_sub(VIOLATIONS);
    match (shown.join(" "), more) {
        (text, _) if text.is_empty() => None,
        (text, 0) => Some(text),
        (text, more) => Some(format!("{text} And {more} more.")),
    }
}

/// Milliseconds, as a whole number where it is one.
fn millis(duration: Duration) -> Value {
    match duration.subsec_nanos() % 1_000_000 {
        0 => u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into(),
        _ => (duration.as_secs_f64() * 1000.0).into(),
    }
}

impl Inner {
    fn of(kind: ErrorKind, message: String) -> Self {
        let row = kind.row();
        Self {
            kind,
            outcome: Outcome::Ran,
            name: Cow::Borrowed(row.name),
            message,
            code: kind.code(),
            error_type: row.error_type.map(Cow::Borrowed),
            retryable: Some(row.retryable),
            data: None,
            node: None,
            stack: None,
            extra: Map::new(),
            hint: None,
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut debug = f.debug_struct(&inner.name);
        debug.field("message", &inner.message).field("outcome", &inner.outcome);
        if let Some(code) = &inner.code {
            debug.field("code", code);
        }
        if let Some(error_type) = &inner.error_type {
            debug.field("type", error_type);
        }
        if let Some(data) = &inner.data {
            debug.field("data", data);
        }
        if let Some(node) = &inner.node {
            debug.field("node", node);
        }
        if let Some(hint) = &inner.hint {
            debug.field("hint", hint);
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
