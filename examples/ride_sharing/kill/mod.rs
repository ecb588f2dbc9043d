//! `--kill`: what becomes of a ride when the process that handles its payment is killed.
//!
//! The services run as `children`, and the third ride is marked. `hold` makes the replica of `payments` that gets
//! it stand still and say so; then it is killed. Nothing of the services knows of this.

mod children;
mod hold;

use ligand::BrokerBuilder;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::app::{self, App, Input, Verdict};
use crate::bus::Bus;
use crate::cli::Cli;
use crate::{Failure, shared_bus};

use children::Children;
use hold::Holds;

/// The ride whose payment is cut off, counted from 0.
const HELD_RIDE: usize = 2;

/// Why nobody could be killed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KillError {
    #[error("cannot run a service as a child process: {0}")]
    Children(std::io::Error),
    #[error("`--kill` needs an input of three rides or more: it strikes at the third")]
    TooFew,
}

/// Runs the services as children, and kills the one that holds the marked ride.
pub(crate) async fn run(cli: &Cli) -> Result<Verdict, Failure> {
    let mut input = Input::read(cli.input.as_deref())?;
    input.rides.get_mut(HELD_RIDE).ok_or(KillError::TooFew)?.mark = Some(hold::MARK);
    let bus = match cli.transporter {
        Some(_) => shared_bus(cli)?,
        None => Bus::on_free_ports(cli.replicas()).map_err(Failure::Ports)?,
    };
    let temporary = tempfile::tempdir().map_err(Failure::Directory)?;
    let directory = cli.database.as_deref().unwrap_or(temporary.path());
    let mut children = Children::start(bus.url(), cli.replicas(), directory)?;
    let (tell, mut held) = mpsc::channel(8);
    let app = App::start(cli, app::node(&bus).service(Holds(tell))).await?;
    let mut killed = Vec::new();
    let rides = {
        let mut running = std::pin::pin!(app.run(&input));
        loop {
            tokio::select! {
                rides = &mut running => break rides,
                Some(node) = held.recv() => {
                    children.kill(&node).await?;
                    killed.push(node);
                }
            }
        }
    };
    children.stop().await?;
    app.conclude(&input, &rides, &killed).await
}

/// Runs a node until the parent has closed the pipe, or is gone.
pub(crate) async fn run_child(node: BrokerBuilder) -> Result<(), Failure> {
    node.layer(hold::Hold).build()?.run_until(end_of_stdin()).await?;
    Ok(())
}

async fn end_of_stdin() {
    let mut nothing = [0; 64];
    let mut stdin = tokio::io::stdin();
    while matches!(stdin.read(&mut nothing).await, Ok(read) if read > 0) {}
}
