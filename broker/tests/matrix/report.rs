//! The rows as text.

use std::fmt::Write as _;
use std::process::Command;

use crate::features;
use crate::known;
use crate::set::{Cell, Row};

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Green(checks) => checks.to_string(),
        Cell::Red(_) => "RED".to_owned(),
        Cell::NotApplicable => "n/a".to_owned(),
    }
}

/// One row for a terminal.
pub(crate) fn line(row: &Row) -> String {
    let cells: Vec<_> = features::ALL
        .iter()
        .zip(&row.cells)
        .map(|(feature, cell)| format!("{} {}", feature.name, shown(cell)))
        .collect();
    format!("{:<24} {}", row.set.name(), cells.join(" | "))
}

/// How many sets and comparisons there were.
pub(crate) fn total(rows: &[Row]) -> String {
    let cells = rows.iter().flat_map(|row| &row.cells);
    let (mut green, mut red, mut checks) = (0, 0, 0);
    for cell in cells {
        match cell {
            Cell::Green(count) => {
                green += 1;
                checks += count;
            }
            Cell::Red(_) => red += 1,
            Cell::NotApplicable => {}
        }
    }
    format!("{} sets, {green} green cells ({checks} comparisons), {red} red", rows.len())
}

/// The document for `docs/interop.md`.
pub(crate) fn document(rows: &[Row]) -> String {
    let mut text = String::from(
        "# Interoperability with Moleculer\n\nMade by `scripts/interop --all --write`, which runs real processes: for each row two stock Moleculer nodes from npm and nodes of ours, on real servers, with heartbeats of 1 s and a timeout of 3 s. A number is how many comparisons stand behind a cell; all of them held.\n\n",
    );
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date =
        date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let _ = writeln!(
        text,
        "Date: {date}. ligand {}. Node.js {}. {}.\n",
        env!("CARGO_PKG_VERSION"),
        node(),
        total(rows)
    );
    let _ = writeln!(text, "| set | {} |", features::ALL.map(|feature| feature.name).join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(features::ALL.len()));
    for row in rows {
        let cells: Vec<_> = row.cells.iter().map(shown).collect();
        let _ = writeln!(text, "| {} | {} |", row.set.name(), cells.join(" | "));
    }
    let mut explained = false;
    for row in rows {
        for (feature, cell) in features::ALL.iter().zip(&row.cells) {
            if let (Cell::Red(_), Some(known)) = (cell, known::entry(&row.set.name(), feature.name)) {
                if !explained {
                    text.push_str("\n## Red cells\n\n");
                    explained = true;
                }
                let _ = writeln!(text, "- {}, {}: {}", row.set.name(), feature.name, known.why);
            }
        }
    }
    text
}

fn node() -> String {
    let version = Command::new("node").arg("--version").output();
    version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
