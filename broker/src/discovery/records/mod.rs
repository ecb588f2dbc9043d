//! Membership by records in a store that all nodes reach: Redis, as Node's Redis discoverer (protocol chapter
//! 11.1).
//!
//! Each node writes what it is (INFO) and, again and again, that it is alive (a beat, which vanishes by
//! itself); and it looks whose beats are there. DISCOVER, INFO and HEARTBEAT are not sent; a farewell is.
//!
//! * [`names`]: how records are called. Pure.
//! * [`roll`]: what the beats that were found mean. Pure.
//! * [`membership`]: does what they say, on the control loop, which has no I/O.
//! * [`keeper`]: the task that reads and writes the records; the two send each other messages.

#![cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]

#[cfg(feature = "discovery-redis")]
mod keeper;
mod membership;
mod names;
mod orders;
mod roll;

#[cfg(feature = "discovery-redis")]
pub(crate) use keeper::Keeper;
pub(super) use membership::Records;
#[cfg(feature = "discovery-redis")]
pub(crate) use names::Names;
#[cfg(any(feature = "discovery-redis", test))]
pub(crate) use orders::Orders;
pub(crate) use orders::{Found, Store};
#[cfg(test)]
pub(super) use {names::Beat, orders::Order};
