//! NATS against the suite for all transporters, and what is special in it, on the servers that
//! `scripts/servers` starts.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod bounds;
mod conformance;
mod groups;
mod logins;
mod node;
mod outages;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use support::url;
