//! Ligand.

pub mod config;
