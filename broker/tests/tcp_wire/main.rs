//! Nodes over TCP against peers of bare sockets: hostile ones, foreign ones, and ones that want our id.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod hostile_answers;
mod hostile_floods;
mod hostile_requests;
mod hostile_streams;
mod id_conflict;
mod links;
mod peer;
mod support;
mod versions;
