//! The cost of a call and of an event between two nodes, compared with a floor and with other frameworks:
//! `cargo bench transporters`.
//!
//! A row is a workload (`tcp/1KiB/c64`) that is measured with several subjects: ligand, the floor (the least
//! that has to be done), and other frameworks. In each of five rounds the subjects take turns (A B C … A B
//! C), so that other load on the machine affects all of them. The table contains medians; the ratios between
//! them matter. Client and server are separate processes (this program starts itself again), so that the
//! processor time of each is known.
//!
//! The rows about a message server need that server. Its URL is taken from the environment (`NATS_URL` and
//! similar variables, which `scripts/servers` prints). The row of a server that is not named is skipped. No
//! figure includes the processor time of the servers.
//!
//! Like every test program, it accepts a name filter, `--exact`, `--list` and `--test`. Without `--bench`,
//! which `cargo bench` passes, it only checks that everything runs.
#![allow(clippy::disallowed_methods, reason = "a benchmark ends with all its tasks and threads")]

mod closed_loop;
mod figures;
mod load;
mod row;
mod session;
mod subject;
mod table;
mod targets;
mod worker;

use row::Row;
use session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;
use table::{Rounds, Skipped};

/// The options of the command line.
#[derive(Debug, Default)]
struct Asked {
    filters: Vec<String>,
    exact: bool,
    list: bool,
    bench: bool,
    test: bool,
}

impl Asked {
    fn read(args: impl Iterator<Item = String>) -> Self {
        let mut asked = Self::default();
        for arg in args {
            match arg.as_str() {
                "--list" => asked.list = true,
                "--bench" => asked.bench = true,
                "--test" => asked.test = true,
                "--exact" => asked.exact = true,
                // Options of other harnesses, which cargo passes to all programs.
                option if option.starts_with('-') => {}
                filter => asked.filters.push(filter.to_owned()),
            }
        }
        asked
    }

    fn wants(&self, id: &str) -> bool {
        let fits = |filter: &String| if self.exact { id == filter } else { id.contains(filter.as_str()) };
        self.filters.is_empty() || self.filters.iter().any(fits)
    }
}

/// The amount of work.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    warm_up: Duration,
    measure: Duration,
}

impl Effort {
    const FULL: Self =
        Self { rounds: 5, warm_up: Duration::from_millis(60), measure: Duration::from_millis(250) };
    const SMOKE: Self = Self { rounds: 1, warm_up: Duration::ZERO, measure: Duration::from_millis(2) };
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if let Some(first) = args.next() {
        if first == worker::MARK {
            return worker::main(args);
        }
        return run(&Asked::read(std::iter::once(first).chain(args)));
    }
    run(&Asked::default())
}

fn run(asked: &Asked) -> ExitCode {
    let rows: Vec<_> = Row::all().into_iter().filter(|row| asked.wants(&row.id())).collect();
    if asked.list {
        for row in &rows {
            println!("{}: benchmark", row.id());
        }
        return ExitCode::SUCCESS;
    }
    let smoke = asked.test || !asked.bench;
    match measure(&rows, if smoke { Effort::SMOKE } else { Effort::FULL }, smoke) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rows: &[Row], effort: Effort, smoke: bool) -> Result<(), String> {
    let (mut done, mut skipped) = (Vec::new(), BTreeMap::new());
    // One transport after the other, so that no process is idle while others are measured.
    for rows in rows.chunk_by(|one, next| one.way == next.way) {
        measure_way(rows, effort, smoke, &mut done, &mut skipped)?;
    }
    if !done.is_empty() {
        table::summary(&done, &skipped);
        println!("\n{}", ligand_benches::build());
    }
    Ok(())
}

fn measure_way<'a>(
    rows: &'a [Row],
    effort: Effort,
    smoke: bool,
    done: &mut Vec<(&'a Row, Rounds)>,
    skipped: &mut Skipped,
) -> Result<(), String> {
    let mut sessions = BTreeMap::new();
    for kind in rows.iter().flat_map(Row::subjects).collect::<BTreeSet<_>>() {
        // Starting Node takes longer than the whole smoke run may take.
        if smoke && kind.is_js() {
            continue;
        }
        match Session::start(kind) {
            Ok(Ok(session)) => drop(sessions.insert(kind, session)),
            Ok(Err(why)) => drop(skipped.insert(kind, why)),
            Err(error) => return Err(format!("{}: {error}", kind.id())),
        }
    }
    for row in rows {
        let mut measured = Rounds::new();
        for _ in 0..effort.rounds {
            for kind in row.subjects() {
                let Some(session) = sessions.get_mut(&kind) else { continue };
                let figures = session
                    .measure(row.load, effort.warm_up, effort.measure)
                    .map_err(|error| format!("{} with {}: {error}", row.id(), kind.id()))?;
                measured.entry(kind).or_default().push(figures);
            }
        }
        if smoke {
            let why = skipped.get(&row.subjects()[0]);
            println!("Testing {} ... {}", row.id(), why.map_or("ok", String::as_str));
        } else {
            table::row(row, &measured, skipped);
            done.push((row, measured));
        }
    }
    Ok(())
}
