//! Examples of ligand, each in a directory of its own beside this one.
//!
//! Run one with `cargo run --example hello`. There is nothing to use from here.
