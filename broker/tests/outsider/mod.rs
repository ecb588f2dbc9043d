//! Somebody in the cluster who is no node of ours: what it can send, and what of that no node would.
//!
//! Each test program that needs it includes it; none of them needs all.

pub(crate) mod binary;
pub(crate) mod captured;
pub(crate) mod compressed;
pub(crate) mod dice;
pub(crate) mod packets;
pub(crate) mod payloads;
pub(crate) mod peer;
