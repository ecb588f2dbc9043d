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

/// Prints what a row came to, a line for each subject.
pub(crate) fn row(row: &Row, measured: &BTreeMap<Kind, Vec<Measured>>, skipped: &BTreeMap<Kind, &str>) {
    let of = |kind: &Kind, figure: fn(&Measured) -> Option<f64>| {
        measured.get(kind).and_then(|rounds| median(rounds.iter().filter_map(figure).collect()))
    };
    let rate = |kind: &Kind| of(kind, |one| Some(one.per_second));
    let cpu = |kind: &Kind| of(kind, |one| Some(one.cpu_micros));
    let ours = row.subjects().first().and_then(|kind| Some((rate(kind)?, cpu(kind)?)));
    println!("\n{}", row.id());
    println!(
        "  {:<14}{:>12}{:>14}{:>10}   {}",
        "subject", "per second", "CPU us each", "p50 us", "ligand compared: rate, CPU"
    );
    for kind in row.subjects() {
        if let Some(why) = skipped.get(kind) {
            println!("  {:<14}{why}", kind.name());
            continue;
        }
        let (Some(rate), Some(cpu)) = (rate(kind), cpu(kind)) else { continue };
        let p50 = of(kind, |one| one.p50_micros).map_or_else(String::new, |p50| format!("{p50:.1}"));
        let compared = match ours {
            Some((our_rate, our_cpu)) => format!("{:.2}x, {:.2}x", our_rate / rate, our_cpu / cpu),
            None => String::new(),
        };
        println!("  {:<14}{rate:>12.0}{cpu:>14.2}{p50:>10}   {compared}", kind.name());
    }
}
