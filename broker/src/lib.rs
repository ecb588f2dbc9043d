//! Ligand.

pub mod config;
mod protocol;
mod serializer;
