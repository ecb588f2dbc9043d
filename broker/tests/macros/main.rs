//! The macros against the broker: what each option does to calls and events, in one process and over a network.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod actions;
mod clients;
mod contracts;
mod definition;
mod errors;
mod events;
mod hooks;
mod names;
mod owned;
mod run_time_names;
mod story;
mod strict;
mod typed_errors;
mod ways;
