//! What is known to break its limit, and why: reviewed, and kept honest by the program, which fails both when
//! a figure breaks its limit that is not listed here and when one keeps it that is.

use crate::figures::Row;

/// A figure that is understood.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) transporter: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) const KNOWN: &[Known] = &[];

/// The entry for a figure.
pub(crate) fn entry(row: &Row, figure: &str) -> Option<&'static Known> {
    let about = |known: &&Known| known.transporter == row.transporter && known.scenario == row.scenario;
    KNOWN.iter().filter(about).find(|known| known.figure == figure)
}

/// Figures that are not as they are known to be.
pub(crate) fn surprises(rows: &[Row]) -> Vec<String> {
    let mut surprises = Vec::new();
    for row in rows {
        let place = format!("{} | {}", row.transporter, row.scenario);
        if let Some(why) = &row.broken {
            surprises.push(format!("BROKEN {place}: {why}"));
        }
        for figure in &row.figures {
            match (figure.breaks_limit(), entry(row, figure.name)) {
                (true, None) => surprises.push(format!(
                    "LIMIT {place} | {}: {}, {}; {}",
                    figure.name,
                    figure.shown(),
                    figure.target_shown(),
                    row.reasons
                )),
                (false, Some(known)) => surprises.push(format!(
                    "{place} | {} keeps its limit, but is known not to: {}",
                    figure.name, known.why
                )),
                _ => {}
            }
        }
    }
    surprises
}
