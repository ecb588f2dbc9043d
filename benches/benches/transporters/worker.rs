//! A process that serves or makes load. It prints `ready`, and then runs the loads that it reads from its
//! standard input, until that ends.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::load::Load;
use crate::subject::{Client, Kind, Place, Server};

/// The first argument of such a process.
pub(crate) const MARK: &str = "__worker";

pub(crate) fn main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let mut next = || args.next().unwrap_or_default();
    let (kind, role, place) = (next(), next(), next());
    let Some(kind) = Kind::from_id(&kind) else { return ExitCode::FAILURE };
    let place = match Place::of(kind, &place) {
        Ok(place) => place,
        Err(error) => {
            eprintln!("{role}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let result = match role.as_str() {
        "server" => runtime.block_on(Server::start(kind, &place)).and_then(|_server| {
            say("ready")?;
            io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
        }),
        _ => runtime.block_on(Client::start(kind, &place)).and_then(|client| {
            say("ready")?;
            for line in io::stdin().lock().lines() {
                let line = line?;
                let words: Vec<_> = line.split(' ').collect();
                let [what, size, count, millis] = words[..] else { return Err(io::Error::other(line)) };
                let load = Load::from_words(what, size, count).ok_or(io::ErrorKind::InvalidInput)?;
                let time = Duration::from_millis(millis.parse().unwrap_or(1));
                let figures = runtime.block_on(client.run(load, time))?;
                say(&format!("{} {} {}", figures.count, figures.nanos, figures.p50_nanos))?;
            }
            Ok(())
        }),
    };
    // It ends at once, because the process that reads the figures ends it anyway.
    match result {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{} {role}: {error}", kind.id());
            std::process::exit(1)
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
