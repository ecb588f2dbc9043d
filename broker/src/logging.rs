//! Logs on the terminal, for programs that have no subscriber of their own.

use tracing_subscriber::EnvFilter;

/// The client of NATS says at `info` what this framework says itself, and one line for each message that it
/// has no room for.
const DEFAULT: &str = "info,async_nats=warn";

/// Prints logs to standard error: `info` and above, or what the environment variable `LIGAND_LOG` says
/// (`debug`, `ligand=trace`, …). Does nothing where a subscriber is installed already.
///
/// A library never calls this; a `main` may.
pub fn init() {
    let filter = EnvFilter::try_from_env("LIGAND_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).finish();
    // An error says that somebody else has installed one: theirs counts.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
