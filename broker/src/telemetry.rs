//! Spans of handlers, built only where somebody looks at them.
//!
//! Names of fields are part of the public interface: `action`, `event`, `service`, `node`, `caller`, `level`,
//! `request_id`, `parent_id`. Parameters, meta and headers are never recorded: they hold customers' data.

use tracing::{Level, Span};

use crate::context::{At, Context};

/// The span in which the handler of `cx` runs; none unless spans of level `debug` are wanted.
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
