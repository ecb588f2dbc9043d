//! Writes errors for other nodes, and reads those that arrive (protocol chapter 6.6).

use ligand_transporters::NodeId;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Code, Error, ErrorKind, Inner, Outcome};
use crate::codec::read_json;
use crate::protocol::{self, Raw, WireError};

impl Error {
    /// The error object to send. It contains the stack trace only if the configuration says so.
    pub(crate) fn to_wire(&self, own: &NodeId, with_stack: bool) -> WireError {
        let inner = &*self.0;
        let mut wire = WireError::new(inner.name.clone(), inner.message.clone());
        wire.node_id = Some(inner.node.as_ref().unwrap_or(own).to_string());
        wire.code = inner.code.as_ref().map(|code| match code {
            Code::Number(number) => protocol::Code::Integer(*number),
            Code::Text(text) => protocol::Code::Text(text.clone()),
        });
        wire.kind = inner.error_type.as_ref().map(ToString::to_string);
        wire.retryable = inner.retryable;
        wire.stack = inner.stack.clone().filter(|_| with_stack);
        wire.data = inner.data.as_ref().map(raw);
        wire.extra = inner.extra.iter().map(|(key, value)| (key.clone(), raw(value))).collect();
        if inner.outcome == Outcome::Ran && is_refusal(inner.kind) {
            // A handler may pass on a refusal that it received. It must not look like a refusal of this node.
            wire.extra.push((HANDLER_RAN.to_owned(), Raw::from_static("true")));
        } else if inner.outcome == Outcome::NotRun && is_about_packet(inner.kind) {
            // A handler of a Node.js node may raise such an error itself. This entry says that no handler
            // ran.
            wire.extra.push((HANDLER_RAN.to_owned(), Raw::from_static("false")));
        }
        wire
    }

    /// The error that `sender` sent as the answer to our call.
    pub(crate) fn from_wire(wire: WireError, sender: &NodeId, action: &str) -> Self {
        let kind = ErrorKind::of(&wire.name, wire.kind.as_deref());
        let data = wire.data.as_ref().map(value);
        let node = wire.node_id.and_then(|id| NodeId::foreign(id).ok());
        // Only the node that was asked can say that nothing ran, and only about the action that it was asked
        // for. The same error may come from a call that the handler made.
        let about_this = data.as_ref().is_some_and(|data| data["action"].as_str() == Some(action));
        let names_sender = |node: &str| node == sender.as_str();
        let said = wire.extra.iter().find(|(key, _)| key == HANDLER_RAN).map(|(_, ran)| ran.as_str());
        let own_word = node.as_ref().is_none_or(|node| names_sender(node.as_str()))
            && matches!(said, None | Some("false"));
        let of_sender = || data.as_ref().and_then(|data| data["nodeID"].as_str()).is_none_or(names_sender);
        let outcome = match kind {
            // The node did not read the packet, so it does not name the action.
            kind if is_about_packet(kind) && own_word && said.is_some() => Outcome::NotRun,
            _ if !about_this || !own_word => Outcome::Ran,
            _ if is_refusal(kind) && !is_about_packet(kind) && of_sender() => Outcome::NotRun,
            // The handler was dropped at the deadline. Nobody knows how far it had got.
            ErrorKind::RequestTimeout => Outcome::MayHaveRun,
            _ => Outcome::Ran,
        };
        let waited = data.as_ref().filter(|_| kind == ErrorKind::RequestTimeout);
        let waited = waited.and_then(|data| data["timeout"].as_f64());
        let waited = waited.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
        let hint = waited.map(|waited| format!("waited {waited:?}"));
        let hint = hint.or_else(|| super::violations(kind, data.as_ref()));
        Self(Arc::new(Inner {
            kind,
            outcome,
            name: Cow::Owned(wire.name),
            message: wire.message,
            code: wire.code.map(|code| match code {
                protocol::Code::Integer(number) => Code::Number(number),
                protocol::Code::Text(text) => Code::Text(text),
                protocol::Code::Float(number) if number.fract() == 0.0 => Code::Number(number as i64),
                protocol::Code::Float(number) => Code::Text(number.to_string()),
            }),
            error_type: wire.kind.map(Cow::Owned),
            retryable: wire.retryable,
            data,
            node: Some(node.unwrap_or_else(|| sender.clone())),
            stack: wire.stack,
            extra: wire
                .extra
                .iter()
                .filter(|(key, _)| key != HANDLER_RAN)
                .map(|(key, raw)| (key.clone(), value(raw)))
                .collect::<Map<_, _>>(),
            hint,
            source: None,
        }))
    }
}

/// A key in the error object of a ligand node. It says whether the handler ran, and received this refusal
/// from a call of its own.
const HANDLER_RAN: &str = "handlerRan";

/// Whether a node that sends this answer says that it did not run the action.
fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ServiceNotFound | ErrorKind::ServiceNotAvailable | ErrorKind::QueueIsFull)
        || is_about_packet(kind)
}

/// Whether a node that sends this answer did not read the request.
fn is_about_packet(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidPacketData | ErrorKind::ProtocolVersionMismatch)
}

fn raw(value: &Value) -> Raw {
    Raw::new(value.to_string().into())
}

fn value(raw: &Raw) -> Value {
    read_json(raw.bytes()).unwrap_or_default()
}
