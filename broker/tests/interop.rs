//! Against the real thing: stock Moleculer 0.15.2 and 0.14.36 nodes, run by Node.js as child processes,
//! in one TCP cluster with brokers of this crate.
//!
//! `scripts/node-setup` installs the packages; without them each test fails and says so. Every test runs
//! in a cluster of its own on loopback ports of its own.

#[path = "interop/calls.rs"]
mod calls;
#[path = "interop/harness/mod.rs"]
mod harness;
