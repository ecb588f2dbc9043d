//! Who is in the cluster.
mod chunked;
mod expression;
mod pattern;
mod trie;
