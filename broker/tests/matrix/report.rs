//! The rows for a terminal.

use crate::features;
use crate::set::{Cell, Row};
use crate::sets::{Set, Which, sets};

pub(crate) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Green(checks) => checks.to_string(),
        Cell::Red(_) => "RED".to_owned(),
        Cell::NotApplicable(_) => "n/a".to_owned(),
    }
}

/// One row.
pub(crate) fn line(row: &Row) -> String {
    let cells: Vec<_> = features::ALL
        .iter()
        .zip(&row.cells)
        .map(|(feature, cell)| format!("{} {}", feature.name, shown(cell)))
        .collect();
    format!("{:<34} {}", row.set.name(), cells.join(" | "))
}

/// How many sets and comparisons there were.
pub(crate) fn total(rows: &[Row]) -> String {
    let (mut green, mut red, mut none, mut checks) = (0, 0, 0, 0);
    for cell in rows.iter().flat_map(|row| &row.cells) {
        match cell {
            Cell::Green(count) => {
                green += 1;
                checks += count;
            }
            Cell::Red(_) => red += 1,
            Cell::NotApplicable(_) => none += 1,
        }
    }
    format!("{} sets, {green} green cells ({checks} comparisons), {red} red, {none} n/a", rows.len())
}

/// What is in a selection, a set a line.
pub(crate) fn list(chosen: &[Set]) -> String {
    let few = sets(Which::Few);
    let lines = chosen.iter().map(|set| {
        let mark = if few.contains(set) { "short" } else { "" };
        let why = set.lacks().map(|why| format!("n/a: {why}")).unwrap_or_default();
        format!("{mark:<6} {:<52} {why}", set.name()).trim_end().to_owned()
    });
    let features = features::ALL.map(|feature| feature.name).join(", ");
    let lines: Vec<_> = lines.collect();
    format!(
        "{}\n\n{} sets, those marked `short` without --all; in each: js-1 and js-2 (Moleculer) and rust (ligand), one more of ours that leaves, one that is killed.\nTried on each: {features}.",
        lines.join("\n"),
        chosen.len(),
    )
}
