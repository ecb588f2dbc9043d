//! Spans, built only if a subscriber wants them: `action` and `event` around handlers, `connect` around the
//! first connection of a transporter, `stop` around the phases of a stop.
//!
//!
//! The names of spans and fields are part of the public interface. `docs/logging.md` lists them, and a test
//! compares it with this file. Parameters, meta and headers are never recorded, because they contain
//! customers' data.

use ligand_transporters::{NodeId, Transporter};
use tracing::{Level, Span};

use crate::context::{At, Context};

/// The span in which a node connects and subscribes. It is disabled unless spans of level `debug` are
/// enabled.
pub(crate) fn connect(node: &NodeId, transporter: &dyn Transporter) -> Span {
    tracing::debug_span!("connect", node = %node, transporter = transporter.scheme())
}

/// The span in which a node stops. It is disabled unless spans of level `debug` are enabled.
pub(crate) fn stop(node: &NodeId) -> Span {
    tracing::debug_span!("stop", node = %node)
}

/// The span in which the handler of `cx` runs. `None` unless spans of level `debug` are enabled.
pub(crate) fn span(cx: &Context) -> Option<Box<Span>> {
    if tracing::enabled!(Level::DEBUG) { Some(Box::new(enabled(cx))) } else { None }
}

fn enabled(cx: &Context) -> Span {
    let service = cx.service().map(|service| service.as_str());
    let caller = cx.caller().map(|caller| caller.as_str());
    let parent_id = cx.parent_id().map(tracing::field::display);
    match cx.at() {
        At::Event(_) => tracing::debug_span!(
            "event",
            event = %cx.name(),
            service,
            node = %cx.node(),
            caller,
            level = cx.level(),
            request_id = %cx.request_id(),
            parent_id,
        ),
        _ => tracing::debug_span!(
            "action",
            action = %cx.name(),
            service,
            node = %cx.node(),
            caller,
            level = cx.level(),
            request_id = %cx.request_id(),
            parent_id,
        ),
    }
}
