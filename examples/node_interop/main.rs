//! A general-purpose node beside stock Moleculer nodes: `cargo run --example node_interop`, and see
//! `README.md` beside this file.

mod cli;
mod output;
mod services;
mod watch;

use clap::Parser as _;
use ligand::ServiceBroker;
use std::error::Error;

use cli::Cli;
use output::say;
use services::{Echo, Events, Math};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What it prints is what it sees; logs only on request.
    if std::env::var_os("LIGAND_LOG").is_some() {
        ligand::logging::init();
    }
    let cli = Cli::parse();
    let protocol = cli.protocol();
    let broker = ServiceBroker::builder()
        .node_id(&cli.node_id)
        .namespace(&cli.namespace)
        .transporter(cli.transporter.as_str())
        .configure(move |config| config.protocol = protocol)
        .service(Echo)
        .service(Math)
        .service(Events)
        .build()?;
    let watching = tokio::spawn(watch::nodes(broker.clone(), broker.local_events("$node.*")));
    let visiting = tokio::spawn({
        let broker = broker.clone();
        async move {
            for (action, params) in &cli.call {
                watch::call(&broker, action, params).await;
            }
            for (event, data) in &cli.emit {
                if let Err(error) = broker.emit(event.as_str(), data).await {
                    say(&broker, format_args!("{event} not emitted: {error}"));
                }
            }
        }
    });
    let ran = broker.run_until_signal().await;
    visiting.abort();
    watching.abort();
    Ok(ran?)
}
