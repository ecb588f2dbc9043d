//! Somebody in the cluster who is no node of ours: what it can send, and what of that no node would.

pub mod binary;
pub mod captured;
pub mod compressed;
pub mod dice;
pub mod packets;
pub mod payloads;
pub mod peer;
