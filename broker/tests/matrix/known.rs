//! What is known not to work, and why: reviewed, and kept honest by the program, which fails both when a
//! cell is red that is not listed here and when one is green that is.

use crate::features;
use crate::set::{Cell, Row};

/// A red cell that is understood.
#[derive(Debug)]
pub(crate) struct Known {
    /// What the name of the set contains.
    pub(crate) set: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) const KNOWN: &[Known] = &[];

/// The entry for a cell.
pub(crate) fn entry(set: &str, feature: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| set.contains(known.set) && feature == known.feature)
}

/// Cells that are not as they are known to be.
pub(crate) fn surprises(rows: &[Row]) -> Vec<String> {
    let mut surprises = Vec::new();
    for row in rows {
        let set = row.set.name();
        for (feature, cell) in features::ALL.iter().zip(&row.cells) {
            match (cell, entry(&set, feature.name)) {
                (Cell::Red(why), None) => surprises.push(format!("RED {set} | {}: {why}", feature.name)),
                (Cell::Green(_), Some(known)) => surprises
                    .push(format!("{set} | {} is green, but known not to be: {}", feature.name, known.why)),
                _ => {}
            }
        }
    }
    surprises
}
