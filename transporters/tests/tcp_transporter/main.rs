//! The TCP transporter on loopback, one file per behaviour.
#![cfg(feature = "tcp")]
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod addresses;
mod closing;
mod connection_limit;
mod discovery;
mod frames;
mod full_buffer;
mod hostile_input;
mod inbound_limit;
mod keep_alive;
mod lost;
mod static_urls;
mod support;
mod unsent;
