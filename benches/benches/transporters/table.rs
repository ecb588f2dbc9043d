//! The table: medians, and what the first subject is worth in units of the others.

use ligand_benches::process::median;
use std::collections::BTreeMap;

use crate::row::Row;
use crate::subject::Kind;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Calls, or events delivered.
    pub(crate) per_second: f64,
    /// Processor time of client and server.
    pub(crate) cpu_micros: f64,
    /// Half of the calls took at most this long.
    pub(crate) p50_micros: Option<f64>,
}

/// What the rounds of a row came to.
pub(crate) type Rounds = BTreeMap<Kind, Vec<Measured>>;

fn median_of(rounds: &Rounds, kind: Kind, figure: fn(&Measured) -> Option<f64>) -> Option<f64> {
    median(rounds.get(&kind)?.iter().filter_map(figure).collect())
}

fn rate(rounds: &Rounds, kind: Kind) -> Option<f64> {
    median_of(rounds, kind, |one| Some(one.per_second))
}

fn cpu(rounds: &Rounds, kind: Kind) -> Option<f64> {
    median_of(rounds, kind, |one| Some(one.cpu_micros))
}

/// Prints what a row came to, a line for each subject.
pub(crate) fn row(row: &Row, rounds: &Rounds, skipped: &BTreeMap<Kind, &str>) {
    println!("\n{}", row.id());
    println!("  {:<14}{:>12}{:>14}{:>10}", "subject", "per second", "CPU us each", "p50 us");
    for kind in row.subjects() {
        if let Some(why) = skipped.get(kind) {
            println!("  {:<14}{why}", kind.name());
        }
        let (Some(rate), Some(cpu)) = (rate(rounds, *kind), cpu(rounds, *kind)) else { continue };
        let p50 = median_of(rounds, *kind, |one| one.p50_micros);
        let p50 = p50.map_or_else(String::new, |p50| format!("{p50:.1}"));
        println!("  {:<14}{rate:>12.0}{cpu:>14.2}{p50:>10}", kind.name());
    }
}

/// Prints ligand's rate in units of each other subject's, and in brackets the same of processor time: more
/// than 1 is better before the brackets, less than 1 within.
pub(crate) fn summary(rows: &[(&Row, Rounds)], skipped: &BTreeMap<Kind, &str>) {
    println!("\nrate of ligand in units of the others' (processor time likewise)");
    println!("{:<34}{:>16}{:>16}{:>16}{:>16}", "", "floor", "ligand-typed", "tarpc", "moleculer-js");
    for (row, rounds) in rows {
        let ours = row.subjects()[0];
        let cell =
            |kind: Kind| match (rate(rounds, ours), rate(rounds, kind), cpu(rounds, ours), cpu(rounds, kind))
            {
                (Some(rate), Some(of), Some(cpu), Some(cpu_of)) => {
                    format!("{:.2} ({:.2})", rate / of, cpu / cpu_of)
                }
                _ if skipped.contains_key(&kind) && row.subjects().contains(&kind) => "skipped".to_owned(),
                _ => String::new(),
            };
        let floor = cell(row.subjects()[1]);
        let others = [Kind::Typed, Kind::Tarpc, Kind::Js].map(cell);
        println!("{:<34}{floor:>16}{:>16}{:>16}{:>16}", row.id(), others[0], others[1], others[2]);
    }
    if rows.iter().any(|(row, _)| row.subjects().contains(&Kind::Channel)) {
        println!(
            "The floor of the rows in memory hands a reference over: it moves no byte, however large the body.\n\
             ligand's frames carry copies, as they would on a wire, so there the ratio falls with the size."
        );
    }
}
