//! The parts that all message servers have in common. A backend implements only what is special about its
//! server.
//!
//! A backend says how a [`Session`] with one server is opened ([`Client`]) and what a session can do.
//! Everything else is here:
//!
//! * `connection`: the [`Connection`](crate::Connection) of a node, whose subscriptions outlive sessions;
//! * `supervisor`: opens sessions and replaces them. A lost session is thrown away whole, with everything
//!   that its client library still held. After a wait with full jitter, a new one is opened with the next
//!   server. The library's own recovery stays off, so only one party restores subscriptions;
//! * `outbox`: the frames that wait to be published, within bounds. It is empty and closed while there is no
//!   session;
//! * `intake`, `inbox`: the frames that have arrived and are not handled yet, within bounds;
//! * `options`, `servers`, `tls`: which servers to connect to, read from text.
//!
//! When the bounds are reached, events are dropped first, then requests, which are answered as not run.
//! Control packets are never dropped.

#![cfg_attr(
    not(feature = "_servers"),
    allow(dead_code, unused_imports, reason = "no backend alone uses all of it, but all that are tested do")
)]

mod client;
mod connection;
mod connection_state;
mod first;
mod inbox;
mod intake;
mod limits;
mod options;
mod outbox;
mod pace;
mod servers;
mod supervisor;
#[cfg(test)]
mod tests;
#[cfg(feature = "_tls")]
mod tls;
mod tls_options;
mod topics;

pub(crate) use client::{Client, Parcel, Port, Session};
pub(crate) use connection::open;
pub(crate) use first::First;
pub(crate) use inbox::{Inbox, Pump};
pub(crate) use intake::Intake;
pub use limits::BusLimits;
pub(crate) use options::ServerOptions;
pub(crate) use servers::{Form, Server, Servers, shown};
pub use tls_options::TlsOptions;
