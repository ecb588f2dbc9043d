//! The command line.

use clap::{Parser, ValueEnum};
use ligand::config::Protocol;

/// A node to poke at: it offers echo, math and an event log, and says what it sees.
#[derive(Debug, Parser)]
#[command(name = "node_interop")]
pub(crate) struct Cli {
    /// Id of this node
    #[arg(long, value_name = "ID", default_value = "rust")]
    pub(crate) node_id: String,
    /// Only nodes of the same namespace see each other
    #[arg(long, value_name = "NAME", default_value = "interop")]
    pub(crate) namespace: String,
    /// How nodes reach each other; the default finds nodes on this machine, and nowhere else
    #[arg(
        long,
        value_name = "URL",
        default_value = "tcp://?udpBindAddress=127.0.0.1&udpMulticastTTL=0&bind=127.0.0.1&useHostname=false&gossipPeriod=1"
    )]
    pub(crate) transporter: String,
    /// Version stamped on what goes to everybody; each peer is answered in its own
    #[arg(long, value_name = "VERSION", default_value = "5")]
    protocol: Version,
    /// Action to call once somebody offers it; may be given several times
    #[arg(long, value_name = "ACTION=JSON", value_parser = call)]
    pub(crate) call: Vec<(String, serde_json::Value)>,
    /// Event to emit after the calls; may be given several times
    #[arg(long, value_name = "EVENT=JSON", value_parser = call)]
    pub(crate) emit: Vec<(String, serde_json::Value)>,
}

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Version {
    /// Moleculer 0.14
    #[value(name = "4")]
    V4,
    /// Moleculer 0.15
    #[value(name = "5")]
    V5,
}

impl Cli {
    pub(crate) fn protocol(&self) -> Protocol {
        match self.protocol {
            Version::V4 => Protocol::V4,
            Version::V5 => Protocol::V5,
        }
    }
}

/// `name=json`, or a name alone for `{}`.
fn call(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, json) = text.split_once('=').unwrap_or((text, "{}"));
    let params = serde_json::from_str(json).map_err(|error| format!("`{json}` is no JSON: {error}"))?;
    Ok((name.to_owned(), params))
}
