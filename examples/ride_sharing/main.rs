//! Ride sharing: four services, each with a database of its own, tied together by events.
//!
//! `user`, `ride`, `payment` and `notification` are the services and `events` what they tell each other.
//! `nodes` puts each on a node of its own, `bus` connects them, `children` runs them as processes. `app` plays
//! the riders: it reads the input, requests rides, watches the events, and says whether each ride's flow was
//! complete. This file decides which of these run in this process.

mod app;
mod bus;
mod children;
mod cli;
mod database;
mod events;
mod hold;
mod nodes;
mod notification;
mod payment;
mod ride;
mod role;
mod user;

use std::process::ExitCode;

use tokio::io::AsyncReadExt as _;

use app::{App, Input, Verdict};
use bus::Bus;
use children::Children;
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
    #[error("cannot run a service as a child process: {0}")]
    Children(std::io::Error),
    #[error("the cluster is not complete after {waited} s: {missing}")]
    NotReady { waited: u64, missing: String },
    #[error("`--kill` needs an input of three rides or more: it strikes at the third")]
    TooFew,
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
        None if cli.kill => with_children(&cli).await,
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

/// All nodes in this process.
async fn in_one_process(cli: &Cli) -> Result<Verdict, Failure> {
    let input = Input::read(cli.input.as_deref())?;
    let bus = match &cli.transporter {
        Some(url) => Bus::at(url.clone()),
        None => Bus::on_free_ports(cli.replicas()).map_err(Failure::Ports)?,
    };
    let nodes = Nodes::start(&bus, cli.replicas(), cli.database.as_ref()).await?;
    let ran = async {
        let mut app = App::start(cli, &bus).await?;
        let rides = app.run(&input, None).await?;
        Ok((app, rides))
    };
    let ran: Result<_, Failure> = ran.await;
    // What is still under way is finished, and seen, before anything is counted.
    let stopped = nodes.stop().await;
    let (app, rides) = ran?;
    let verdict = app.conclude(&input, &rides).await?;
    stopped.map(|()| verdict)
}

/// The app of a cluster whose services run elsewhere.
async fn in_a_cluster(cli: &Cli) -> Result<Verdict, Failure> {
    let input = Input::read(cli.input.as_deref())?;
    let mut app = App::start(cli, &shared_bus(cli)?).await?;
    let rides = app.run(&input, None).await?;
    app.conclude(&input, &rides).await
}

/// One service, until the process is asked to end.
async fn one_service(cli: &Cli, role: Role) -> Result<Verdict, Failure> {
    let service = Service::open(role, cli.database.as_deref()).await?;
    let id = role.node_id(cli.replica);
    let node = service.host(nodes::builder(&shared_bus(cli)?, id.clone()));
    if cli.child {
        node.layer(hold::Hold).build()?.run_until(end_of_stdin()).await?;
    } else {
        println!("{id} runs until Ctrl-C");
        node.build()?.run_until_signal().await?;
    }
    Ok(Verdict::Complete)
}

/// The services as children, one of which is killed.
async fn with_children(cli: &Cli) -> Result<Verdict, Failure> {
    let input = Input::read(cli.input.as_deref())?;
    let bus = match cli.transporter {
        Some(_) => shared_bus(cli)?,
        None => Bus::on_free_ports(cli.replicas()).map_err(Failure::Ports)?,
    };
    let temporary = tempfile::tempdir().map_err(Failure::Directory)?;
    let directory = cli.database.as_deref().unwrap_or(temporary.path());
    let mut children = Children::start(bus.url(), cli.replicas(), directory)?;
    let mut app = App::start(cli, &bus).await?;
    let rides = app.run(&input, Some(&mut children)).await?;
    children.stop().await?;
    app.conclude(&input, &rides).await
}

/// The bus of a cluster of processes.
fn shared_bus(cli: &Cli) -> Result<Bus, Failure> {
    match &cli.transporter {
        Some(url) if url.to_ascii_lowercase().starts_with("memory") => Err(Failure::OnlyHere),
        Some(url) => Ok(Bus::at(url.clone())),
        None => Ok(Bus::from_port(cli.port, cli.replicas())),
    }
}

/// Resolves when the parent has closed the pipe, or is gone.
async fn end_of_stdin() {
    let mut nothing = [0; 64];
    let mut stdin = tokio::io::stdin();
    while matches!(stdin.read(&mut nothing).await, Ok(read) if read > 0) {}
}
