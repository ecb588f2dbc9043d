//! Ligand.

mod discovery;
