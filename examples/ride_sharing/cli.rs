//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

use crate::role::Role;

/// Four services carry rides from request to notification.
///
/// Without arguments: four nodes in this process, connected by TCP over the loopback interface, and the
/// bundled sample of rides. The exit code is 1 when a ride's flow was not complete, 2 when nothing could run.
#[derive(Debug, Clone, Parser)]
#[command(name = "ride_sharing")]
pub(crate) struct Cli {
    /// Ride requests, one JSON object per line; `-` for standard input [default: the bundled sample]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// How many nodes offer each service [default: 1, or 2 with `--kill`]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=8))]
    replicas: Option<u16>,

    /// The bus between the nodes [default: TCP on the loopback interface with static addresses]
    #[arg(long, value_name = "URL")]
    pub(crate) transporter: Option<String>,

    /// Directory for the databases, one file per service [default: in memory]
    #[arg(long, value_name = "DIR")]
    pub(crate) database: Option<PathBuf>,

    /// Only one part of the whole, for one process each; services need `--database`
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<Role>,

    /// Which of the replicas this process is, with `--role`
    #[arg(long, value_name = "N", default_value_t = 1, requires = "role", value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(crate) replica: u16,

    /// First port of the static addresses, with `--role`; the others follow it
    #[arg(long, value_name = "PORT", default_value_t = 4701, requires = "role", value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    pub(crate) port: u16,

    /// Runs the roles as child processes and kills (SIGKILL) the one that handles the third ride's payment;
    /// one ride at a time
    #[arg(long, conflicts_with = "role")]
    pub(crate) kill: bool,

    /// Rides under way at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,

    /// Seconds without an event after which a ride is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    patience: u16,

    /// Ends when standard input does: for children, which must not outlive their parent
    #[arg(long, hide = true, requires = "role")]
    pub(crate) child: bool,
}

impl Cli {
    /// The arguments of this process; leaves with a message when they make no sense.
    pub(crate) fn read() -> Self {
        let cli = Self::parse();
        if cli.role.is_some_and(|role| role != Role::App) && cli.database.is_none() {
            let what = "`--role` needs `--database DIR`: the replicas of a service share its database";
            Self::command().error(ErrorKind::MissingRequiredArgument, what).exit();
        }
        if cli.replica > cli.replicas() {
            let what = format!("`--replica {}` of `--replicas {}`", cli.replica, cli.replicas());
            Self::command().error(ErrorKind::ValueValidation, what).exit();
        }
        cli
    }

    /// How many nodes offer each service. Somebody has to be left when one is killed.
    pub(crate) fn replicas(&self) -> u16 {
        self.replicas.unwrap_or(if self.kill { 2 } else { 1 })
    }

    /// Rides under way at the same time. One at a time where one is killed: whatever else the victim was
    /// handling would be lost with it, and the result would be another one each time.
    pub(crate) fn in_flight(&self) -> usize {
        if self.kill { 1 } else { self.in_flight.into() }
    }

    /// Time without an event after which a ride is given up.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.into())
    }
}
