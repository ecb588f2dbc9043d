//! The TCP transporter on loopback, one file per behaviour.
#![cfg(feature = "tcp")]

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
