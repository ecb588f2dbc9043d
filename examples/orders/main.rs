//! Places an order: `cargo run --example orders`, and see `README.md` beside this file.

mod cli;
mod cluster;
mod inventory;
mod ledger;
mod money;
mod orders;
mod output;
mod payments;
mod products;
mod saga;
mod shop;
mod underway;
mod users;

use clap::Parser;
use std::process::ExitCode;

use cli::Cli;
use cluster::Cluster;
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    // The output tells the story, so logs are printed only on request.
    if std::env::var_os("LIGAND_LOG").is_some() {
        ligand::logging::init();
    }
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the nodes, places the order, and stops the nodes. Returns whether the order was placed.
async fn run(cli: &Cli) -> Result<bool, cluster::BoxError> {
    let output = Output::new(std::io::stdout());
    let cluster = Cluster::start(&cli.world(), &output).await?;
    let placed = shop::visit(&cluster, cli, &output).await;
    let stopped = cluster.stop().await;
    let placed = placed?;
    stopped?;
    Ok(placed)
}
