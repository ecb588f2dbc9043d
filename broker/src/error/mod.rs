//! The error of a call. There is one type for all errors, wherever they are raised.
//!
//! An [`Error`] keeps everything that Moleculer puts on the wire (name, message, code, type, retryable, data,
//! node), so it can be passed on unchanged. [`Error::outcome`] says what the failure tells about the handler.
//! That decides whether a call may be repeated.

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

/// `std::result::Result` with [`Error`] as the default error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call failed. It has the size of a pointer and is cheap to clone.
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

/// How many violations the text of a validation error contains. Its data contains all of them.
const VIOLATIONS: usize = 8;

/// The code of an error: a number as in HTTP, or the text of a system error (`ECONNREFUSED`).
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

/// The parts of a service's own error. `#[derive(ActionError)]` fills them in.
#[derive(Debug, Clone)]
pub struct ErrorParts {
    /// The name of the class on the wire.
    pub name: &'static str,
    /// The code.
    pub code: i64,
    /// The type, by which programs tell errors apart.
    pub error_type: &'static str,
    /// The message for people.
    pub message: String,
    /// Whether the caller may try again.
    pub retryable: bool,
    /// Any further data, as JSON.
    pub data: Option<Value>,
}

/// An error type that can be read back from an [`Error`] that came over the network. `#[derive(ActionError)]`
/// implements it.
pub trait FromActionError: Sized {
    /// The typed error, if `error` is one of this type.
    fn from_action_error(error: &Error) -> Option<Self>;
}

impl Error {
    /// An error that the caller has caused, as Node's `MoleculerClientError`. It is not retryable.
    pub fn client(code: i64, error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::classed("MoleculerClientError", false, code, error_type.into(), message.into())
    }

    /// An error that the service has caused, as Node's `MoleculerServerError`. It is retryable.
    pub fn server(code: i64, error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::classed("MoleculerServerError", true, code, error_type.into(), message.into())
    }

    /// A temporary error, as Node's `MoleculerRetryableError`.
    pub fn retryable(
        code: i64,
        error_type: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::classed("MoleculerRetryableError", true, code, error_type.into(), message.into())
    }

    /// Something that the service uses failed. The text of the source becomes the message, and remote callers
    /// see it.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = source.into().into();
        let mut inner = Inner::of(ErrorKind::Internal, source.to_string());
        inner.source = Some(source);
        Self(Arc::new(inner))
    }

    /// The parameters are invalid. `data` lists the violations, as Node's validator does.
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

    /// Replaces the data.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        self.edit(|inner| inner.data = Some(data))
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the failure says about the handler.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The name of the class on the wire, such as `ValidationError`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The message. When an error is printed, hints for a local caller and the violations of a validation are
    /// added. They are not part of the message.
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

    /// Whether the side that raised the error says that trying again may help. A peer may be wrong about
    /// that.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or(false)
    }

    /// Any further data.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// The node that raised the error, if it is known.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        self.0.node.as_ref()
    }

    /// The stack trace, if a remote node has sent one.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.0.stack.as_deref()
    }

    /// The typed error from which it was made, on this node or on another one.
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

/// Errors that only the broker makes.
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

    /// A call was given up after this time.
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

    /// Nothing was called or sent, because this broker is not running.
    pub(crate) fn not_running(name: &str, node: &NodeId, why: &str) -> Self {
        let error = Self::of_action(ErrorKind::RequestRejected, name, Some(node));
        let error = error.with_message(format!("The broker is not running, {why}: '{name}' goes nowhere."));
        error.edit(|inner| inner.retryable = Some(false)).with_outcome(Outcome::NotRun)
    }

    /// A handler would wait for an event that is handled only after the handler.
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

    /// There is no connection to the cluster. Nothing was sent.
    pub(crate) fn disconnected() -> Self {
        Self::with_kind(ErrorKind::Disconnected, Value::Null).with_outcome(Outcome::NotRun)
    }

    /// A packet that cannot be sent or is refused. Trying again gives the same result, so this is not
    /// retryable.
    pub(crate) fn of_packet(code: i64, error_type: &'static str, message: String, data: Value) -> Self {
        Self::classed("MoleculerError", false, code, error_type.into(), message).with_data(data)
    }

    /// A packet exceeds the limit of the transporter or of a layer.
    pub(crate) fn packet_too_large(message: String, size: usize, limit: usize) -> Self {
        Self::of_packet(413, "PACKET_TOO_LARGE", message, json!({ "size": size, "limit": limit }))
    }

    pub(crate) fn codec(message: impl fmt::Display) -> Self {
        Self(Arc::new(Inner::of(ErrorKind::Codec, message.to_string())))
    }

    /// The data of a service's own error cannot be written. The error type has a mistake, and must not hide
    /// it.
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

    /// Replaces what the error says about the handler. For example, a layer that refuses a call before it
    /// reaches the handler knows that the handler did not run.
    ///
    /// On the wire, only two errors of ligand nodes carry this: the refusal of a packet, and a refusal that
    /// is passed on. In all other cases, a caller on another node gets the outcome that follows from the
    /// rules in `docs/semantics.md`.
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

    /// Adds a hint for the reader on this node. It is never sent.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }
}

/// The violations that Node's validator found, as text. The message of the error does not contain them.
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

/// Milliseconds, as an integer if they are whole.
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
