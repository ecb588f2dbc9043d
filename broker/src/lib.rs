//! Ligand.

mod protocol;
mod serializer;
