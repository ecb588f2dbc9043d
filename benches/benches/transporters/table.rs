//! The table: medians, and the ratios of the first subject to the others.

use ligand_benches::process::median;
use std::collections::BTreeMap;

use crate::row::{Row, Way};
use crate::subject::Kind;
use crate::subject::bus::{Bus, Part};
use crate::targets;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Calls, or delivered events.
    pub(crate) per_second: f64,
    /// The processor time of client and server.
    pub(crate) cpu_micros: f64,
    /// The median latency of the calls.
    pub(crate) p50_micros: Option<f64>,
}

/// The results of the rounds of a row.
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

/// Why subjects were skipped.
pub(crate) type Skipped = BTreeMap<Kind, String>;

/// Prints the results of a row, with a line for each subject.
pub(crate) fn row(row: &Row, rounds: &Rounds, skipped: &Skipped) {
    println!("\n{}", row.id());
    println!("  {:<14}{:>12}{:>14}{:>10}", "subject", "per second", "CPU us each", "p50 us");
    for kind in row.subjects() {
        if let Some(why) = skipped.get(&kind) {
            println!("  {:<14}{why}", kind.name());
        }
        let (Some(rate), Some(cpu)) = (rate(rounds, kind), cpu(rounds, kind)) else { continue };
        let p50 = median_of(rounds, kind, |one| one.p50_micros);
        let p50 = p50.map_or_else(String::new, |p50| format!("{p50:.1}"));
        println!("  {:<14}{rate:>12.0}{cpu:>14.2}{p50:>10}", kind.name());
    }
}

/// Prints the ratio of ligand's rate to that of each other subject, followed in brackets by the ratio of the
/// processor times. More than 1 is better before the brackets, less than 1 is better within them.
pub(crate) fn summary(rows: &[(&Row, Rounds)], skipped: &Skipped) {
    let (on_servers, others): (Vec<_>, Vec<_>) =
        rows.iter().partition(|(row, _)| matches!(row.way, Way::Bus(_)));
    println!("\nrate of ligand in units of the others' (processor time likewise)");
    if !others.is_empty() {
        println!("{:<34}{:>16}{:>16}{:>16}{:>16}", "", "floor", "ligand-typed", "tarpc", "moleculer-js");
    }
    for (row, rounds) in &others {
        let floor = cell(row, rounds, row.subjects()[1], skipped);
        let [typed, tarpc, js] =
            [Kind::Typed, Kind::Tarpc, Kind::Js].map(|kind| cell(row, rounds, kind, skipped));
        println!("{:<34}{floor:>16}{typed:>16}{tarpc:>16}{js:>16}", row.id());
    }
    if others.iter().any(|(row, _)| row.subjects().contains(&Kind::Channel)) {
        println!(
            "The floor of the rows in memory hands a reference over: it moves no byte, however large the body.\n\
             ligand's frames carry copies, as they would on a wire, so there the ratio falls with the size."
        );
    }
    if !on_servers.is_empty() {
        println!("\non message servers, each ratio with its target (a ! where it falls short)");
        println!(
            "{:<34}{:>24}{:>24}{:>24}",
            "", "client library", "moleculer-js", "js-as-default, nats-micro"
        );
    }
    for (row, rounds) in &on_servers {
        let Way::Bus(bus) = row.way else { continue };
        // The first on AMQP, the second on NATS.
        let further = if bus == Bus::Nats { Part::Micro } else { Part::JsDefault };
        let [by_hand, js, further] = [Part::ByHand, Part::Js, further].map(|part| {
            let of = Kind::On(bus, part);
            let text = cell(row, rounds, of, skipped);
            match (ratio(row, rounds, of), targets::least(row, part)) {
                (Some(ratio), Some(least)) => {
                    format!("{}{text} >= {least}", if ratio < least { "! " } else { "" })
                }
                _ => text,
            }
        });
        println!("{:<34}{by_hand:>24}{js:>24}{further:>24}", row.id());
    }
}

/// The ratio of the first subject's rate to that of another one.
fn ratio(row: &Row, rounds: &Rounds, of: Kind) -> Option<f64> {
    Some(rate(rounds, row.subjects()[0])? / rate(rounds, of)?)
}

fn cell(row: &Row, rounds: &Rounds, of: Kind, skipped: &Skipped) -> String {
    let subjects = row.subjects();
    match (ratio(row, rounds, of), cpu(rounds, subjects[0]), cpu(rounds, of)) {
        (Some(ratio), Some(cpu), Some(cpu_of)) => format!("{ratio:.2} ({:.2})", cpu / cpu_of),
        _ if skipped.contains_key(&of) && subjects.contains(&of) => "skipped".to_owned(),
        _ => String::new(),
    }
}
