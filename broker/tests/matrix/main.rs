//! The interoperability matrix: live sets of two stock Moleculer nodes and one of ours, over every
//! transporter, with every serializer and both versions of Moleculer.
//!
//! `scripts/interop` runs this program; it is not one of the tests that `cargo test` runs by itself. Each set
//! prints its row; the rows are compared with what is known (`known.rs`), and rendered as
//! `docs/interop.md` on demand.
//!
//! ```text
//! matrix [--all] [--only TEXT] [--list] [--write FILE]
//! matrix --node NAME SET      (a node of ours in a process of its own, ended by the end of its input)
//! ```

mod checks;
mod features;
#[path = "../interop/harness/js.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod js;
mod known;
mod node;
mod report;
#[path = "../interop/harness/services.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod services;
mod set;
mod sets;

use std::process::ExitCode;
use std::time::Duration;

use sets::{Set, Which};

/// So long anything may take before a check gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let [flag, name, set] = &arguments[..]
        && flag == "--node"
    {
        runtime.block_on(node::alone(name, set));
        return ExitCode::SUCCESS;
    }
    // `cargo test` passes its own arguments to every target; this one has no tests.
    let value_of = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let which = if arguments.iter().any(|argument| argument == "--all") { Which::All } else { Which::Few };
    let only = value_of("--only").unwrap_or_default();
    let sets: Vec<Set> = sets::sets(which).into_iter().filter(|set| set.name().contains(&only)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        sets.iter().for_each(|set| println!("{}", set.name()));
        return ExitCode::SUCCESS;
    }
    if sets.is_empty() {
        eprintln!("no set has `{only}` in its name: see --list");
        return ExitCode::FAILURE;
    }
    // What a check has to say when it panics is in its cell.
    std::panic::set_hook(Box::new(|_| {}));
    let rows: Vec<_> = sets
        .into_iter()
        .map(|set| {
            let row = runtime.block_on(set::run(&set));
            println!("{}", report::line(&row));
            row
        })
        .collect();
    if let Some(file) = value_of("--write") {
        std::fs::write(&file, report::document(&rows)).expect("the document can be written");
    }
    let surprises = known::surprises(&rows);
    surprises.iter().for_each(|surprise| eprintln!("{surprise}"));
    println!("{}", report::total(&rows));
    if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
