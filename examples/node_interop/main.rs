//! A general-purpose node beside stock Moleculer nodes: `cargo run --example node_interop`, and see
//! `README.md` beside this file.

mod cli;
mod output;
mod services;
mod watch;

use clap::Parser as _;
use ligand::ServiceBroker;
use std::error::Error;
use tokio::task::JoinSet;

use cli::Cli;
use output::say;
use services::{Echo, Events, Math};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The output shows what the node sees, so logs are printed only on request.
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
    // These tasks end with the run, when the set is dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(watch::nodes(broker.clone(), broker.local_events("$node.*")));
    tasks.spawn({
        let broker = broker.clone();
        let mut started = broker.local_events("$broker.started");
        async move {
            // At that time, the services of this node have started.
            started.recv().await;
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
    Ok(broker.run_until_signal().await?)
}
