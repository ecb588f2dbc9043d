//! Ligand.
