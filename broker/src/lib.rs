//! Ligand.

mod handler;
mod protocol;
mod registry;
mod serializer;
mod strategy;
