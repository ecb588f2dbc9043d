//! Breaks real message servers and worker processes under load, on every transporter, and prints each figure
//! beside its target.
//!
//! `scripts/faults` runs this program; it is not one of the tests that `cargo test` runs by itself. Each
//! scenario prints its figures; those that break a limit are compared with what is known (`known.rs`), and all
//! are rendered as `docs/faults.md` on demand.
//!
//! ```text
//! faults [--all] [--only TEXT] [--without SERVER]... [--list] [--write FILE]
//! faults --worker NAME PLACE      (a worker in a process of its own, ended by SIGTERM or the end of its input)
//! ```
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod census;
mod cluster;
mod figures;
mod handled;
mod known;
mod load;
mod places;
mod report;
mod server;
mod server_faults;
mod tally;
mod worker;
mod worker_faults;

use futures_util::FutureExt as _;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use figures::Row;
use places::{TRANSPORTERS, Transporter};
use server::Server;

/// So long anything may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a call has, unless none may fail.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// Later than anything that happens here.
pub(crate) const EVER: Duration = Duration::MAX;

/// How much is done.
struct Plan {
    restarts: usize,
    frozen: u64,
    rolls: usize,
}

/// Frozen for longer than anything that is promised: a worker that is never given up must not look as if it were
/// given up when it is thawed.
const SHORT: Plan = Plan { restarts: 5, frozen: 15, rolls: 1 };
const ALL: Plan = Plan { restarts: 100, frozen: 20, rolls: 10 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let [flag, name, place] = &arguments[..]
        && flag == "--worker"
    {
        ligand::logging::init();
        runtime.block_on(worker::run(name, place));
        return ExitCode::SUCCESS;
    }
    end_with_parent();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let values = |flag: &str| {
        let pairs = arguments.windows(2).filter(|pair| pair[0] == flag);
        pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
    };
    let (only, without) = (values("--only"), values("--without"));
    let wanted = |transporter: &&Transporter| {
        let left_out = |name: &String| transporter.server.is_some_and(|server| server.starts_with(&**name));
        only.iter().all(|text| transporter.name.contains(&**text)) && !without.iter().any(left_out)
    };
    let transporters: Vec<_> = TRANSPORTERS.iter().filter(wanted).copied().collect();
    if has("--list") {
        transporters.iter().for_each(|transporter| println!("{}", transporter.name));
        return ExitCode::SUCCESS;
    }
    if transporters.is_empty() {
        eprintln!("no transporter has {only:?} in its name: see --list");
        return ExitCode::FAILURE;
    }
    if std::env::var_os("LIGAND_LOG").is_some() {
        ligand::logging::init();
    }
    let plan = if has("--all") { ALL } else { SHORT };
    let mut rows = Vec::new();
    for transporter in transporters {
        let from = std::time::Instant::now();
        runtime.block_on(run(transporter, &plan, &mut rows));
        println!("{}: {} s\n", transporter.name, from.elapsed().as_secs());
    }
    if let Some(file) = values("--write").first() {
        let how = format!(
            "{} restarts, {} s frozen, {} rolling restarts in a row.",
            plan.restarts, plan.frozen, plan.rolls
        );
        std::fs::write(file, report::document(&rows, &how)).expect("the document can be written");
    }
    let surprises = known::surprises(&rows);
    surprises.iter().for_each(|surprise| eprintln!("{surprise}"));
    println!("{}", report::total(&rows));
    if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends this program, and so its workers, when whoever started it is gone: the servers end then, too.
fn end_with_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        eprintln!("whoever started this program is gone, so it ends");
        std::process::exit(1);
    });
}

/// The faults of servers beside those of workers, on a server each: they take their time, not the machine's.
async fn run(transporter: Transporter, plan: &Plan, rows: &mut Vec<Row>) {
    let (mut servers, mut workers) = (Vec::new(), Vec::new());
    tokio::join!(
        break_server(transporter, plan, &mut servers),
        break_workers(transporter, plan, &mut workers)
    );
    rows.append(&mut servers);
    rows.append(&mut workers);
}

async fn break_server(transporter: Transporter, plan: &Plan, rows: &mut Vec<Row>) {
    if transporter.server.is_none() {
        return;
    }
    let done = async {
        let server = Server::add(transporter).await?;
        server_faults::run(transporter, &server, plan.restarts, rows).await;
        server.remove().await
    };
    let done = AssertUnwindSafe(done).catch_unwind().await;
    ended(transporter, "the server's faults", done, rows);
}

async fn break_workers(transporter: Transporter, plan: &Plan, rows: &mut Vec<Row>) {
    let done = async {
        if transporter.server.is_none() {
            worker_faults::run(transporter.name, None, plan.rolls, plan.frozen, rows).await;
            return Ok(());
        }
        let server = Server::add(transporter).await?;
        worker_faults::run(transporter.name, Some(&server.url), plan.rolls, plan.frozen, rows).await;
        server.remove().await
    };
    let done = AssertUnwindSafe(done).catch_unwind().await;
    ended(transporter, "the workers' faults", done, rows);
}

fn ended(
    transporter: Transporter,
    what: &'static str,
    done: Result<Result<(), String>, Box<dyn Any + Send>>,
    rows: &mut Vec<Row>,
) {
    if let Err(why) = done.unwrap_or_else(|panic| Err(said(&*panic))) {
        rows.push(Row::broken(transporter.name, what, why).printed());
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}
