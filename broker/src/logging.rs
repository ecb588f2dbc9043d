//! Logs on the terminal, for programs that have no subscriber of their own.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The client of NATS says at `info` what this framework says itself, and one line for each message that it
/// has no room for.
const DEFAULT: &str = "info,async_nats=warn";

/// Prints logs to standard error: `info` and above, or what the environment variable `LIGAND_LOG` says
/// (`debug`, `ligand=trace`, …), in colours where that is a terminal and `NO_COLOR` is not set. Does nothing
/// where a subscriber is installed already.
///
/// A library never calls this; a `main` may.
pub fn init() {
    let filter = EnvFilter::try_from_env("LIGAND_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    let subscriber = subscriber.with_writer(std::io::stderr).finish();
    // An error says that somebody else has installed one: theirs counts.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
