//! Messages and expansions.
