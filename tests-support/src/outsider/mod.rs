//! A peer in the cluster that is not one of our nodes: what it can send, including packets that no node would
//! send.

pub mod binary;
pub mod captured;
pub mod compressed;
pub mod dice;
pub mod packets;
pub mod payloads;
pub mod peer;
