//! The built-in errors: one row for each error class of Moleculer (protocol chapter 6.6).

use serde_json::Value;

use super::Code;

/// The kind of an error.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No node has ever offered the action.
    ServiceNotFound,
    /// The action is known, but nobody offers it now.
    ServiceNotAvailable,
    /// The parameters are invalid.
    Validation,
    /// The deadline passed.
    RequestTimeout,
    /// No time was left when the call was to be made, or the caller gave it none. It was not sent.
    RequestSkipped,
    /// The node that was asked has gone, or this broker is not running or is stopping.
    RequestRejected,
    /// Too many requests are waiting.
    QueueIsFull,
    /// Calls are nested too deeply.
    MaxCallLevel,
    /// The definition of a service has a mistake.
    ServiceSchema,
    /// The options of a broker have a mistake.
    BrokerOptions,
    /// The stop took longer than allowed.
    GracefulStopTimeout,
    /// The peer speaks another version of the protocol.
    ProtocolVersionMismatch,
    /// A packet could not be read.
    InvalidPacketData,
    /// There is no connection to the cluster.
    Disconnected,
    /// A value could not be encoded or decoded.
    Codec,
    /// A handler panicked.
    HandlerPanic,
    /// Something that the service uses failed. See [`Error::source`](std::error::Error::source).
    Internal,
    /// Any other error: one that the service defines.
    Application,
}

/// One row: the name of the class, and its default values.
pub(super) struct Row {
    pub(super) kind: ErrorKind,
    pub(super) name: &'static str,
    pub(super) code: Option<i64>,
    pub(super) error_type: Option<&'static str>,
    pub(super) retryable: bool,
}

macro_rules! rows {
    ($($kind:ident $name:literal $code:expr, $type:expr, $retryable:literal;)*) => {
        const ROWS: &[Row] = &[$(Row {
            kind: ErrorKind::$kind, name: $name, code: $code, error_type: $type, retryable: $retryable,
        }),*];
    };
}

rows! {
    ServiceNotFound "ServiceNotFoundError" Some(404), Some("SERVICE_NOT_FOUND"), true;
    ServiceNotAvailable "ServiceNotAvailableError" Some(404), Some("SERVICE_NOT_AVAILABLE"), true;
    Validation "ValidationError" Some(422), Some("VALIDATION_ERROR"), false;
    RequestTimeout "RequestTimeoutError" Some(504), Some("REQUEST_TIMEOUT"), true;
    RequestSkipped "RequestSkippedError" Some(514), Some("REQUEST_SKIPPED"), false;
    RequestRejected "RequestRejectedError" Some(503), Some("REQUEST_REJECTED"), true;
    QueueIsFull "QueueIsFullError" Some(429), Some("QUEUE_FULL"), true;
    MaxCallLevel "MaxCallLevelError" Some(500), Some("MAX_CALL_LEVEL"), false;
    ServiceSchema "ServiceSchemaError" Some(500), Some("SERVICE_SCHEMA_ERROR"), false;
    BrokerOptions "BrokerOptionsError" Some(500), Some("BROKER_OPTIONS_ERROR"), false;
    GracefulStopTimeout "GracefulStopTimeoutError" Some(500), Some("GRACEFUL_STOP_TIMEOUT"), false;
    ProtocolVersionMismatch "ProtocolVersionMismatchError" Some(500), Some("PROTOCOL_VERSION_MISMATCH"), false;
    InvalidPacketData "InvalidPacketDataError" Some(500), Some("INVALID_PACKET_DATA"), false;
    Disconnected "BrokerDisconnectedError" Some(502), Some("BAD_GATEWAY"), true;
    Codec "MoleculerError" Some(500), Some("CODEC_ERROR"), false;
    HandlerPanic "MoleculerError" Some(500), Some("HANDLER_PANIC"), false;
    Internal "MoleculerError" Some(500), Some("INTERNAL_ERROR"), false;
    Application "MoleculerError" Some(500), None, false;
}

impl ErrorKind {
    pub(super) fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.kind == self).unwrap_or(&ROWS[ROWS.len() - 1])
    }

    /// The kind of an error that arrived with this class name and type.
    pub(super) fn of(name: &str, error_type: Option<&str>) -> Self {
        let named = ROWS.iter().find(|row| row.name == name && row.name != "MoleculerError");
        let typed = || ROWS.iter().find(|row| row.name == name && row.error_type == error_type);
        named.or_else(typed).map_or(Self::Application, |row| row.kind)
    }

    /// Node's message for errors whose message follows from their data.
    pub(super) fn message(self, data: &Value) -> String {
        let text = |key: &str| match &data[key] {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let action = text("action").unwrap_or_default();
        let on_node = text("nodeID").map(|node| format!(" on '{node}' node")).unwrap_or_default();
        match self {
            Self::ServiceNotFound => match text("service") {
                Some(service) if action.is_empty() => {
                    let version = text("version").map(|version| format!("{version}.")).unwrap_or_default();
                    format!("Service '{version}{service}' not found.")
                }
                _ => format!("Service '{action}' is not found{on_node}."),
            },
            Self::ServiceNotAvailable => format!("Service '{action}' is not available{on_node}."),
            Self::RequestTimeout => format!("Request is timed out when call '{action}' action{on_node}."),
            Self::RequestSkipped => {
                format!("Calling '{action}' is skipped because timeout reached{on_node}.")
            }
            Self::RequestRejected => format!("Request is rejected when call '{action}' action{on_node}."),
            Self::QueueIsFull => format!("Queue is full. Request '{action}' action{on_node} is rejected."),
            Self::MaxCallLevel => {
                format!(
                    "Request level is reached the limit ({}){on_node}.",
                    text("level").unwrap_or_default()
                )
            }
            Self::Disconnected => {
                "The broker's transporter has disconnected. Please try again when a connection \
                                   is reestablished."
                    .to_owned()
            }
            // As in Node, `service` is the service itself, not its name.
            Self::GracefulStopTimeout => match data["service"]["name"].as_str() {
                Some(service) => format!("Unable to stop '{service}' service gracefully."),
                None => "Unable to stop ServiceBroker gracefully.".to_owned(),
            },
            Self::ProtocolVersionMismatch => "Protocol version mismatch.".to_owned(),
            Self::InvalidPacketData => "Invalid packet data.".to_owned(),
            Self::Validation => "Parameters validation error!".to_owned(),
            _ => "Unknown error".to_owned(),
        }
    }

    pub(super) fn code(self) -> Option<Code> {
        self.row().code.map(Code::Number)
    }
}

/// What the failure of a call says about its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The handler certainly did not run. Repeating the call is safe.
    NotRun,
    /// Unknown: the request was sent, but no answer came.
    MayHaveRun,
    /// The handler ran. This error is its answer.
    Ran,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_class_of_node_has_its_code_type_and_retryable_flag() {
        // Protocol chapter 6.6, row by row.
        let rows = [
            ("ValidationError", 422, "VALIDATION_ERROR", false),
            ("ServiceNotFoundError", 404, "SERVICE_NOT_FOUND", true),
            ("ServiceNotAvailableError", 404, "SERVICE_NOT_AVAILABLE", true),
            ("RequestTimeoutError", 504, "REQUEST_TIMEOUT", true),
            ("RequestSkippedError", 514, "REQUEST_SKIPPED", false),
            ("RequestRejectedError", 503, "REQUEST_REJECTED", true),
            ("QueueIsFullError", 429, "QUEUE_FULL", true),
            ("MaxCallLevelError", 500, "MAX_CALL_LEVEL", false),
            ("ServiceSchemaError", 500, "SERVICE_SCHEMA_ERROR", false),
            ("BrokerOptionsError", 500, "BROKER_OPTIONS_ERROR", false),
            ("GracefulStopTimeoutError", 500, "GRACEFUL_STOP_TIMEOUT", false),
            ("ProtocolVersionMismatchError", 500, "PROTOCOL_VERSION_MISMATCH", false),
            ("InvalidPacketDataError", 500, "INVALID_PACKET_DATA", false),
            ("BrokerDisconnectedError", 502, "BAD_GATEWAY", true),
        ];
        for (name, code, error_type, retryable) in rows {
            let row = ErrorKind::of(name, Some(error_type)).row();
            assert_eq!((row.name, row.code), (name, Some(code)));
            assert_eq!((row.error_type, row.retryable), (Some(error_type), retryable));
        }
        assert_eq!(ErrorKind::of("MyErr", Some("MY_TYPE")), ErrorKind::Application);
        assert_eq!(ErrorKind::of("MoleculerClientError", Some("X")), ErrorKind::Application);
    }

    #[test]
    fn messages_are_worded_as_node_words_them() {
        let data = json!({ "action": "math.add", "nodeID": "node-1", "level": 5 });
        let cases = [
            (ErrorKind::ServiceNotFound, "Service 'math.add' is not found on 'node-1' node."),
            (ErrorKind::RequestTimeout, "Request is timed out when call 'math.add' action on 'node-1' node."),
            (ErrorKind::MaxCallLevel, "Request level is reached the limit (5) on 'node-1' node."),
            (
                ErrorKind::QueueIsFull,
                "Queue is full. Request 'math.add' action on 'node-1' node is rejected.",
            ),
        ];
        for (kind, message) in cases {
            assert_eq!(kind.message(&data), message);
        }
        let message = ErrorKind::ServiceNotFound.message(&json!({ "service": "math", "version": 2 }));
        assert_eq!(message, "Service '2.math' not found.");
    }
}
