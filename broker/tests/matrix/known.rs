//! What is known not to work, and why: reviewed, and kept honest by the program, which fails both when a
//! cell is red that is not listed here and when one is green that is.

use crate::features;
use crate::set::{Cell, Row};
use crate::sets::Set;

/// A red cell that is understood.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) set: fn(&Set) -> bool,
    pub(crate) feature: &'static str,
    /// What the check says that fails.
    pub(crate) says: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) const KNOWN: &[Known] = &[Known {
    set: |set| set.is_balanced_by_bus() && set.transporter == "AMQP",
    feature: "service change",
    says: "Service 'late.where' is not found on 'js-",
    why: "a stock node that stops offering an action still takes calls from its queue (`amqp.js` lacks \
          `unsubscribeFromBalancedCommands`) and answers `ServiceNotFoundError`. Calls of ligand nodes \
          then go to another node; those of stock nodes fail.",
}];

/// The entry for a cell.
pub(crate) fn entry(set: &Set, feature: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.set)(set) && feature == known.feature)
}

/// Cells that are not as they are known to be.
pub(crate) fn surprises(rows: &[Row]) -> Vec<String> {
    let mut surprises = Vec::new();
    for row in rows {
        let set = row.set.name();
        for (feature, cell) in features::ALL.iter().zip(&row.cells) {
            match (cell, entry(&row.set, feature.name)) {
                (Cell::Red(why), known) if !known.is_some_and(|known| why.contains(known.says)) => {
                    surprises.push(format!("RED {set} | {}: {why}", feature.name));
                }
                (Cell::Green(_), Some(known)) => surprises
                    .push(format!("{set} | {} is green, but known not to be: {}", feature.name, known.why)),
                _ => {}
            }
        }
    }
    surprises
}
