//! Ride sharing: four services, each with its own database, connected by events.
//!
//! `user`, `ride`, `payment` and `notification` are the services, and `events` contains what they tell each
//! other. `nodes` puts each service on a node of its own, and `bus` connects the nodes. `app` acts as the
//! riders: it reads the input, requests rides, observes the events, and reports whether the flow of each ride
//! was complete. This file decides which of these run in this process. `kill` is only for `--kill`, and may be
//! read last.

mod app;
mod bus;
mod cli;
mod database;
mod events;
mod kill;
mod nodes;
mod notification;
mod payment;
mod ride;
mod role;
mod user;

use std::process::ExitCode;

use app::{App, Input, Verdict};
use bus::Bus;
use cli::Cli;
use nodes::{Nodes, Service};
use role::Role;

/// Why nothing could run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Input(#[from] app::InputError),
    #[error(transparent)]
    Database(#[from] database::DatabaseError),
    #[error(transparent)]
    Build(#[from] ligand::BuildError),
    #[error(transparent)]
    Start(#[from] ligand::StartError),
    #[error(transparent)]
    Run(#[from] ligand::RunError),
    #[error(transparent)]
    Stop(#[from] ligand::StopError),
    #[error("no free port on the loopback interface: {0}")]
    Ports(std::io::Error),
    #[error("cannot make a directory for the databases, name one with `--database DIR`: {0}")]
    Directory(std::io::Error),
    #[error(transparent)]
    Kill(#[from] kill::KillError),
    #[error("the cluster is not complete after {waited} s: {missing}")]
    NotReady { waited: u64, missing: String },
    #[error("`memory://` reaches no other process, choose another transporter")]
    OnlyHere,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::read();
    if std::env::var_os("LIGAND_LOG").is_some() {
        ligand::logging::init();
    }
    let ran = match cli.role {
        Some(Role::App) => in_a_cluster(&cli).await,
        Some(role) => one_service(&cli, role).await,
        None if cli.kill => kill::run(&cli).await,
        None => in_one_process(&cli).await,
    };
    match ran {
        Ok(Verdict::Complete) => ExitCode::SUCCESS,
        Ok(Verdict::Incomplete) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Runs all nodes in this process.
async fn in_one_process(cli: &Cli) -> Result<Verdict, Failure> {
    let input = Input::read(cli.input.as_deref())?;
    let bus = match &cli.transporter {
        Some(url) => Bus::at(url.clone()),
        None => Bus::on_free_ports(cli.replicas()).map_err(Failure::Ports)?,
    };
    let nodes = Nodes::start(&bus, cli.replicas(), cli.database.as_ref()).await?;
    let ran = async {
        let app = App::start(cli, app::node(&bus)).await?;
        let rides = app.run(&input).await;
        Ok((app, rides))
    };
    let ran: Result<_, Failure> = ran.await;
    // Running handlers finish, and are observed, before anything is counted.
    let stopped = nodes.stop().await;
    let (app, rides) = ran?;
    let verdict = app.conclude(&input, &rides, &[]).await?;
    stopped.map(|()| verdict)
}

/// Runs the app of a cluster whose services run elsewhere.
async fn in_a_cluster(cli: &Cli) -> Result<Verdict, Failure> {
    let input = Input::read(cli.input.as_deref())?;
    let app = App::start(cli, app::node(&shared_bus(cli)?)).await?;
    let rides = app.run(&input).await;
    app.conclude(&input, &rides, &[]).await
}

/// Runs one service until the process is asked to end.
async fn one_service(cli: &Cli, role: Role) -> Result<Verdict, Failure> {
    let service = Service::open(role, cli.database.as_deref()).await?;
    let id = role.node_id(cli.replica);
    let node = service.host(nodes::builder(&shared_bus(cli)?, id.clone()));
    if cli.child {
        kill::run_child(node).await?;
    } else {
        println!("{id} runs until Ctrl-C");
        node.build()?.run_until_signal().await?;
    }
    Ok(Verdict::Complete)
}

/// The bus of a cluster of processes.
fn shared_bus(cli: &Cli) -> Result<Bus, Failure> {
    match &cli.transporter {
        Some(url) if url.to_ascii_lowercase().starts_with("memory") => Err(Failure::OnlyHere),
        Some(url) => Ok(Bus::at(url.clone())),
        None => Ok(Bus::from_port(cli.port, cli.replicas())),
    }
}
