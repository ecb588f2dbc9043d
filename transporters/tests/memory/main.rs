//! The in-memory network: what it does by itself, what tests may do to it, and how it shows the suite for all
//! transporters that the suite notices what is wrong.

#[cfg(feature = "conformance")]
mod conformance;
mod faults;
#[cfg(feature = "conformance")]
mod liars;
