//! Nodes over each message server. One program, because linking is most of the time.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

#[allow(dead_code, unused_imports, reason = "the nodes in memory use more of it")]
#[path = "../conformance/mod.rs"]
mod conformance;
mod hostile;
mod rabbitmq_cycles;
mod refusals;
mod suite;
