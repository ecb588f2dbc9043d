//! What a broker promises, one file per behaviour. One program, because linking is most of the time.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod balancing;
mod bus;
mod bus_membership;
mod call_level;
mod calls;
mod calls_again;
mod cancellation;
mod connection_loss;
mod context;
mod control_thread;
mod deadlines;
mod dependencies;
mod disable_balancer;
mod ending;
mod errors;
mod event_order;
mod events;
mod fault_tally;
mod forged_info;
mod half_pairs;
mod hostile_bus;
mod info_rate;
mod layers;
mod lifecycle;
mod liveness;
mod local_discoverer;
#[path = "../log/mod.rs"]
mod log;
mod log_document;
mod lost_subscriptions;
mod mixed_versions;
mod names_without_topic;
mod node_log;
mod node_service;
mod not_running;
mod options;
mod outages_logged;
mod outcomes;
#[allow(dead_code, reason = "others send more of it")]
#[path = "../outsider/mod.rs"]
mod outsider;
mod overload;
mod oversize;
mod panics;
mod panics_around;
mod pending_calls;
mod refused_packets;
mod removal;
mod rerouting;
mod run_modes;
mod services_at_run_time;
mod signals;
mod spans;
mod staged_start;
mod state;
mod testing_kit;
mod unwritable;
mod validation;
mod visibility;
mod waiting;
mod ways;
