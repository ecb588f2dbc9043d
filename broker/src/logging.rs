//! Logs on the terminal, for programs without a tracing subscriber of their own.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The default filter.
const DEFAULT: &str = "info";
/// The clients of message servers log every attempt to connect, and several errors for one lost connection.
/// This crate logs what matters of it.
const CLIENTS: &str = "async_nats=off,lapin=off";

/// Prints logs to standard error. The level is `info`, or what the environment variable `LIGAND_LOG` says
/// (`debug`, `ligand=trace`, …). They are coloured if standard error is a terminal and `NO_COLOR` is not set.
/// If a subscriber has already been installed, this does nothing.
///
///
/// The logs of the message servers' clients are not printed, because they repeat themselves while a server is
/// away. To see them, name them in `LIGAND_LOG` (`debug,lapin=debug`). `docs/logging.md` in the repository
/// lists what is logged at which level, with which spans and fields.
///
///
/// Call it in `main`. A library should never call it.
pub fn init() {
    let filter = filter(std::env::var("LIGAND_LOG").ok().as_deref());
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    let subscriber = subscriber.with_writer(std::io::stderr).finish();
    // An error means that a subscriber has been installed already. That one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The filter that was given, or the default if it is invalid.
fn filter(written: Option<&str>) -> EnvFilter {
    let written = written.filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT);
    // Of two directives for one target, the last one counts.
    let filter = EnvFilter::try_new(format!("{CLIENTS},{written}"));
    filter.unwrap_or_else(|_| EnvFilter::new(format!("{CLIENTS},{DEFAULT}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of a few lines pass the filter.
    fn passes(written: Option<&str>) -> [bool; 5] {
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter(written)).finish();
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "ligand::transit", tracing::Level::INFO),
                tracing::enabled!(target: "ligand::transit", tracing::Level::DEBUG),
                tracing::enabled!(target: "my_app", tracing::Level::INFO),
                tracing::enabled!(target: "lapin::io_loop", tracing::Level::ERROR),
                tracing::enabled!(target: "async_nats::connector", tracing::Level::ERROR),
            ]
        })
    }

    #[test]
    fn what_clients_of_message_servers_say_is_printed_where_it_is_asked_for() {
        let default = [true, false, true, false, false];
        for written in [None, Some(""), Some("info"), Some("ligand=oops=7")] {
            assert_eq!(passes(written), default, "{written:?}");
        }
        assert_eq!(passes(Some("debug")), [true, true, true, false, false]);
        assert_eq!(passes(Some("warn,ligand=debug")), [true, true, false, false, false]);
        assert_eq!(passes(Some("info,lapin=debug,async_nats=error")), [true, false, true, true, true]);
    }
}
