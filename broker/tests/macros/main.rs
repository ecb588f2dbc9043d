//! The macros against the broker: what each option does to calls and events, in one process and over a network.

mod actions;
mod clients;
mod definition;
mod errors;
mod events;
mod hooks;
mod names;
mod story;
mod strict;
mod ways;
