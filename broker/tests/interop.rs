//! Against the real thing: stock Moleculer 0.15.2 and 0.14.36 nodes, run by Node.js as child processes,
//! in one TCP cluster with brokers of this crate.
//!
//! `scripts/node-setup` installs the packages; without them each test fails and says so. Every test runs
//! in a cluster of its own on loopback ports of its own.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

#[path = "interop/calls.rs"]
mod calls;
#[path = "interop/chain.rs"]
mod chain;
#[path = "interop/changes.rs"]
mod changes;
#[path = "interop/differential.rs"]
mod differential;
#[path = "interop/discoverer.rs"]
mod discoverer;
#[path = "interop/errors.rs"]
mod errors;
#[path = "interop/events.rs"]
mod events;
#[path = "interop/gossip.rs"]
mod gossip;
#[path = "interop/graceful.rs"]
mod graceful;
#[path = "interop/harness/mod.rs"]
mod harness;
#[path = "interop/layers.rs"]
mod layers;
#[path = "interop/mixed.rs"]
mod mixed;
#[path = "interop/node_service.rs"]
mod node_service;
#[path = "discoverer/server.rs"]
#[allow(dead_code, reason = "nothing here stops the server")]
mod redis_server;
#[path = "interop/serializers.rs"]
mod serializers;
#[path = "interop/udp.rs"]
mod udp;
#[path = "interop/web.rs"]
mod web;
