//! What a broker promises, one file per behaviour. One program, because linking is most of the time.

mod balancing;
mod call_level;
mod calls;
mod cancellation;
mod context;
mod control_thread;
mod deadlines;
mod dependencies;
mod errors;
mod event_order;
mod events;
mod layers;
mod lifecycle;
mod liveness;
mod node_service;
mod outcomes;
mod panics;
mod pending_calls;
mod rerouting;
mod run_modes;
mod services_at_run_time;
mod testing_kit;
mod validation;
mod visibility;
mod waiting;
mod ways;
