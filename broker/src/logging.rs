//! Logs on the terminal, for programs that have no subscriber of their own.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What is printed where nobody says otherwise.
const DEFAULT: &str = "info";
/// Clients of message servers tell of each attempt to connect, and of each error on the way down. What of it
/// matters, this framework says itself.
const CLIENTS: &str = "async_nats=off,lapin=off";

/// Prints logs to standard error: `info` and above, or what the environment variable `LIGAND_LOG` says
/// (`debug`, `ligand=trace`, …), in colours where that is a terminal and `NO_COLOR` is not set. Does nothing
/// where a subscriber is installed already.
///
/// The clients of message servers are not printed, unless `LIGAND_LOG` names them (`debug,lapin=debug`): they
/// repeat themselves while a server is away. What is logged at which level, with which spans and fields, stands
/// in `docs/logging.md` in the repository.
///
/// A library never calls this; a `main` may.
pub fn init() {
    let filter = filter(std::env::var("LIGAND_LOG").ok().as_deref());
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    let subscriber = subscriber.with_writer(std::io::stderr).finish();
    // An error says that somebody else has installed one: theirs counts.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The filter that somebody has written; the default where it makes no sense.
fn filter(written: Option<&str>) -> EnvFilter {
    let written = written.filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT);
    // What is named twice counts as it was named last.
    let filter = EnvFilter::try_new(format!("{CLIENTS},{written}"));
    filter.unwrap_or_else(|_| EnvFilter::new(format!("{CLIENTS},{DEFAULT}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of a few lines passes.
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
