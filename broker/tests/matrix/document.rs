//! The document `docs/interop.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::features;
use crate::js::{Version, node_version};
use crate::known;
use crate::report::{shown, total};
use crate::servers;
use crate::set::{Cell, Row};
use crate::sets::{Set, Which, sets};
use crate::values;

/// Reviewed text on implementations in other languages.
const OTHER_PORTS: &str = include_str!("other_ports.md");

const HEAD: &str = "\
# Interoperability with Moleculer

Made by `scripts/interop --all --write`, which runs real processes on real servers.
For each row it starts two stock Moleculer nodes from npm (`js-1`, `js-2`) and three ligand nodes: one that \
stays, one that leaves and one that is killed.
Heartbeats are sent every second, with a timeout of 3 s.
All features of a row are tried on one live cluster. The number in a cell says how many comparisons were \
made; all of them succeeded.

- **call**: values of every JSON type in both directions, through both kinds of nodes, to one named node, \
and balanced over all
- **error**: name, code, type, retryability and node of eight kinds of errors, in both directions; unknown \
actions
- **meta**: to the callee and back, request ids, levels; headers with 0.15
- **emit**: one member of each group, all members in turn, named groups, and one node of the other kind
- **broadcast**: every node once, from each node
- **ping**: in every direction
- **registry**: `$node.list`, `$node.actions` and `$node.services` of each node list the others
- **service change**: a service is added and removed on either side while the nodes run
- **leave**, **crash**: nodes of both kinds stop, and are killed; the other nodes notice which of the two \
happened (over TCP, which has no DISCONNECT, they only notice that the node is gone)
";

/// All of it.
pub(crate) fn document(rows: &[Row], found: Option<&Path>) -> String {
    let mut text = format!("{HEAD}\n{}\n", made_with(rows));
    let (main, further): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.set.is_main());
    text.push_str("\n## Transporters, versions, serializers\n\n");
    text.push_str(&table(&main));
    text.push_str(
        "\n## Further sets\n\nIn the rows of NATS and AMQP above the nodes balance; in the rows \
         \"balanced by the bus\" the servers do.\nSets of two versions have one stock node of each \
         version, with the default version checks. They and the ligand nodes reach each other. Over a bus \
         this needs our option `protocol = \"both\"`.\n\n",
    );
    text.push_str(&table(&further));
    text.push_str(&notes(rows));
    text.push_str("\n## Serializers on random values\n\n");
    text.push_str(
        "Random values of everything that Node's serializers support, oddities included. One side writes \
         them and both sides read them.\n\n",
    );
    match found {
        Some(folder) => text.push_str(&values::table(folder)),
        None => text.push_str("Not compared in this run.\n"),
    }
    text.push('\n');
    text.push_str(OTHER_PORTS);
    text
}

fn made_with(rows: &[Row]) -> String {
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date =
        date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let [new, old] = [Version::V015, Version::V014].map(Version::full);
    let servers: Vec<_> = servers::ALL.into_iter().map(servers::Server::version).collect();
    format!(
        "{date}: ligand {}, Moleculer {new} and {old}, Node.js {}, {}. {}.",
        env!("CARGO_PKG_VERSION"),
        node_version(),
        servers.join(", "),
        total(rows)
    )
}

fn table(rows: &[&Row]) -> String {
    let mut text = format!("| set | {} |\n", features::ALL.map(|feature| feature.name).join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(features::ALL.len()));
    for row in rows {
        let cells: Vec<_> = row.cells.iter().map(shown).collect();
        let _ = writeln!(text, "{}{} |", beginning(&row.set), cells.join(" | "));
    }
    text
}

fn beginning(set: &Set) -> String {
    format!("| {} | ", set.name())
}

/// Why cells are red or empty.
fn notes(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut lacking = BTreeSet::new();
    for row in rows {
        for (feature, cell) in features::ALL.iter().zip(&row.cells) {
            match (cell, known::entry(&row.set, feature.name)) {
                (Cell::Red(_), Some(known)) => {
                    let _ = writeln!(text, "- RED: {}, {}: {}", row.set.name(), feature.name, known.why);
                }
                (Cell::NotApplicable(why), _) => drop(lacking.insert(*why)),
                _ => {}
            }
        }
    }
    for why in lacking {
        let _ = writeln!(text, "- n/a: {why}.");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// Sets of which the document has no row.
pub(crate) fn missing(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let is_missing = |set: &Set| !text.lines().any(|line| line.starts_with(&beginning(set)));
    let missing = sets(Which::All).into_iter().filter(is_missing);
    missing
        .map(|set| format!("{} has no row `{}`: scripts/interop --all --write", file.display(), set.name()))
        .collect()
}
