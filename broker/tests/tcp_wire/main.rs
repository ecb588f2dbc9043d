//! Nodes over TCP against peers of bare sockets: hostile ones, foreign ones, and ones that want our id.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod hostile_answers;
mod hostile_floods;
mod hostile_requests;
mod hostile_streams;
mod id_conflict;
mod links;
#[path = "../log/mod.rs"]
mod log;
#[allow(dead_code, reason = "others send more of it")]
#[path = "../outsider/mod.rs"]
mod outsider;
mod peer;
#[path = "../conformance/ports.rs"]
mod ports;
mod support;
mod versions;
