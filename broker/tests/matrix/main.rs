//! The interoperability matrix: live sets of two stock Moleculer nodes and one of ours, over every
//! transporter, with every serializer and both versions of Moleculer, and further sets in which one more
//! thing is varied.
//!
//! `scripts/interop` runs this program; it is not one of the tests that `cargo test` runs by itself. Each set
//! prints its row; the rows are compared with what is known (`known.rs`), and rendered as
//! `docs/interop.md` on demand. Without `--write` the document is only asked whether it has a row for each
//! set there is.
//!
//! ```text
//! matrix [--all] [--only TEXT] [--list] [--without SERVER]... [--document FILE [--write]] [--values FOLDER]
//! matrix --node NAME SET NAMESPACE URL      (a node of ours in a process of its own, until its input ends)
//! ```
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod checks;
mod document;
mod features;
#[path = "../interop/harness/js.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod js;
mod known;
mod layers;
mod node;
mod nodes;
#[path = "../interop/harness/place.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod place;
mod report;
mod servers;
#[path = "../interop/harness/services.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod services;
mod set;
mod sets;
mod values;

use futures_util::StreamExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sets::{Set, Which};

/// So long anything may take before a check gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Sets that run side by side: most of their time they wait for heartbeats.
const AT_ONCE: usize = 2;

/// What the command line says.
#[derive(Debug, Default)]
struct Arguments {
    all: bool,
    list: bool,
    write: bool,
    only: String,
    without: Vec<String>,
    document: Option<PathBuf>,
    values: Option<PathBuf>,
}

impl Arguments {
    /// Arguments that this does not know are those that `cargo test` passes to every target.
    fn read(arguments: &[String]) -> Self {
        let mut read = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--all" => read.all = true,
                "--list" => read.list = true,
                "--write" => read.write = true,
                "--only" => read.only = rest.next().cloned().unwrap_or_default(),
                "--without" => read.without.extend(rest.next().cloned()),
                "--document" => read.document = rest.next().map(PathBuf::from),
                "--values" => read.values = rest.next().map(PathBuf::from),
                _ => {}
            }
        }
        read
    }

    fn chosen(&self) -> Vec<Set> {
        let which = if self.all { Which::All } else { Which::Few };
        sets::sets(which).into_iter().filter(|set| set.name().contains(&self.only)).collect()
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let [flag, name, set, namespace, url] = &arguments[..]
        && flag == "--node"
    {
        runtime.block_on(node::alone(name, set, namespace, url));
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::read(&arguments);
    let chosen = arguments.chosen();
    if chosen.is_empty() {
        eprintln!("no set has `{}` in its name: see --list", arguments.only);
        return ExitCode::FAILURE;
    }
    if arguments.list {
        println!("{}", report::list(&chosen));
        return ExitCode::SUCCESS;
    }
    let (left_out, chosen): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|set| servers::misses(set, &arguments.without));
    left_out.iter().for_each(|set| println!("NOT RUN, as asked: {}", set.name()));
    // What a check has to say when it panics is in its cell.
    std::panic::set_hook(Box::new(|_| {}));
    let running = futures_util::stream::iter(&chosen).map(set::run).buffered(AT_ONCE);
    let printed = running.inspect(|row| println!("{}", report::line(row)));
    let rows: Vec<_> = runtime.block_on(printed.collect());
    let mut surprises = known::surprises(&rows);
    if let Some(file) = &arguments.document {
        if arguments.write {
            let text = document::document(&rows, arguments.values.as_deref());
            std::fs::write(file, text).expect("the document can be written");
        }
        surprises.extend(document::missing(file));
    }
    surprises.iter().for_each(|surprise| eprintln!("{surprise}"));
    println!("{}", report::total(&rows));
    if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
