//! What the comparison of serializers found (`interop/differential.rs`), which leaves one file per serializer.

use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

/// One serializer's.
#[derive(Debug, Deserialize)]
struct Found {
    serializer: String,
    /// Each way.
    values: usize,
    disagreements: Vec<Disagreement>,
}

/// Values of one kind that Node and we see differently, all for the reason in the reviewed list.
#[derive(Debug, Deserialize)]
struct Disagreement {
    written_by: String,
    oddity: String,
    count: usize,
    reason: String,
}

/// A table of it.
pub(crate) fn table(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("the comparison of serializers has run");
    let mut found: Vec<Found> = files
        .map(|file| {
            let text = std::fs::read(file.expect("it is there").path()).expect("it can be read");
            serde_json::from_slice(&text).expect("what the comparison wrote")
        })
        .collect();
    found.sort_by(|one, other| one.serializer.cmp(&other.serializer));
    let mut text = String::from(
        "| serializer | values each way | disagreements | of them, and why |\n|---|---|---|---|\n",
    );
    for one in found {
        let total: usize = one.disagreements.iter().map(|disagreement| disagreement.count).sum();
        let why: Vec<_> = one
            .disagreements
            .iter()
            .map(|Disagreement { written_by, oddity, count, reason }| {
                let by = if written_by == "node" { "Node" } else { "ours" };
                format!("{count} written by {by} ({oddity}): {reason}")
            })
            .collect();
        let _ = writeln!(text, "| {} | {} | {total} | {} |", one.serializer, one.values, why.join("; "));
    }
    text
}
