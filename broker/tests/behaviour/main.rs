//! What a broker promises, one file per behaviour. One program, because linking is most of the time.

mod balancing;
mod call_level;
mod calls;
mod cancellation;
mod context;
mod deadlines;
mod errors;
mod event_order;
mod events;
mod outcomes;
mod panics;
mod pending_calls;
mod rerouting;
mod validation;
mod ways;
