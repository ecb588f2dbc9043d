//! What every message server has in common, so that a backend is only what its server is special in.
//!
//! A backend says how a [`Session`] with one server is opened ([`Client`]) and what a session can do;
//! everything else is here, once:
//!
//! * `connection`: the [`Connection`](crate::Connection) of a node, whose subscriptions outlive sessions;
//! * `supervisor`: sessions come and go. One that is lost is thrown away whole, with whatever its client
//!   library still held, and a new one is opened at the next server after a wait with full jitter; the
//!   library's own recovery stays off. Subscriptions are thus restored by one party only;
//! * `outbox`: what waits to be published, within bounds; empty and closed while there is no session;
//! * `intake`, `inbox`: what has arrived and is not handled yet, within bounds;
//! * `options`, `servers`, `tls`: which servers, from texts.
//!
//! When there is more than the bounds allow, events are given up first, then requests (which are
//! answered that they did not run), control packets never.

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
