//! The examples of ligand. Each is in a directory of its own next to this one.
//!
//! Run one with `cargo run --example hello`. This library is empty.
