//! The errors of building, starting and stopping a broker, and of waiting.
//!
//! A `main` that returns one of these errors prints it with `Debug`. So `Debug` prints the text.

use ligand_transporters::{InvalidId, TransportError};
use std::collections::BTreeMap;

use crate::config::{ConfigError, debug_is_text};
use crate::error::Error;
use crate::layer::LayerFailed;

/// The broker cannot be built from this description.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration has a mistake.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transporter has a mistake.
    #[error(transparent)]
    Transporter(#[from] TransportError),
    /// The node id is invalid.
    #[error(transparent)]
    NodeId(#[from] InvalidId),
    /// A layer cannot be used.
    #[error("layer `{layer}` cannot be used: {source}")]
    Layer {
        /// Its name.
        layer: &'static str,
        /// Its error.
        source: Error,
    },
    /// A service cannot work.
    #[error(transparent)]
    Service(#[from] StartError),
}

/// A broker, or one of its services, did not start. Everything that had been started was stopped again.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The definition of a service has a mistake.
    #[error("service `{service}` cannot be offered: {problem}")]
    Service {
        /// Its name.
        service: String,
        /// What is wrong.
        problem: String,
    },
    /// Two services of this node have the same full name.
    #[error("this node already has a service `{0}`: give one of them another name or version")]
    DuplicateService(String),
    /// Two services of this node offer an action with the same full name.
    #[error("the action `{action}` is offered by `{first}` and by `{second}`: rename one of them")]
    DuplicateAction {
        /// Full name of the action.
        action: String,
        /// The service that offers it already.
        first: String,
        /// The other service.
        second: String,
    },
    /// A service depends on another one that did not become available.
    #[error("service `{service}` did not start: {missing}")]
    Dependency {
        /// The service that waited.
        service: String,
        /// What it waited for.
        missing: WaitError,
    },
    /// A `started` hook failed.
    #[error("service `{service}` did not start: {source}")]
    Hook {
        /// The service of the hook.
        service: String,
        /// Its error.
        source: Error,
    },
    /// A layer failed.
    #[error("layer `{layer}` did not start: {source}")]
    Layer {
        /// Its name.
        layer: &'static str,
        /// Its error.
        source: Error,
    },
    /// User code that the start needs panicked, such as a transporter.
    #[error("the start panicked: {0}")]
    Panicked(String),
    /// The transporter did not connect.
    #[error("the transporter did not connect{}: {source}", if *.attempts > 1 { format!(" after {attempts} attempts") } else { String::new() })]
    Transporter {
        /// The number of attempts.
        attempts: u32,
        /// The last failure.
        source: TransportError,
    },
    /// The store of the discoverer could not be reached.
    #[error("the discoverer did not connect{}: {source}", if *.attempts > 1 { format!(" after {attempts} attempts") } else { String::new() })]
    Discoverer {
        /// The number of attempts.
        attempts: u32,
        /// The last failure.
        source: TransportError,
    },
    /// Another node uses this id.
    #[error("the node id `{node}` is taken, its owner is {owner}: choose another id")]
    DuplicateNode {
        /// The id.
        node: String,
        /// The address of the node that uses it, or else its instance id.
        owner: String,
    },
    /// The broker is running already, or has been stopped.
    #[error("the broker has been {0} already: build another one")]
    AlreadyDone(&'static str),
}

/// Services that did not become available in time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", reasons(missing, not_started))]
#[non_exhaustive]
pub struct WaitError {
    /// The full names of the missing services.
    pub missing: Vec<String>,
    /// The missing services that belong to this node and have not started yet. Each comes with the services that
    /// it waits for itself. If it waits for none, its own hooks are still running.
    pub not_started: BTreeMap<String, Vec<String>>,
}

fn reasons(missing: &[String], not_started: &BTreeMap<String, Vec<String>>) -> String {
    let elsewhere: Vec<_> = missing.iter().filter(|name| !not_started.contains_key(*name)).cloned().collect();
    let mut reasons = Vec::new();
    if !elsewhere.is_empty() {
        reasons.push(format!("no node offers {}", list(&elsewhere)));
    }
    reasons.extend(not_started.iter().map(|(name, needs)| {
        let why = match needs.as_slice() {
            [] => String::new(),
            needs => format!(", because it waits for {}", list(needs)),
        };
        format!("`{name}` is a service of this node that has not started yet{why}")
    }));
    reasons.join("; ")
}

/// Nodes that did not become available in time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such node is available: {}", list(missing))]
pub struct NodeWaitError {
    /// The ids of the missing nodes.
    pub missing: Vec<String>,
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The broker stopped completely, but something failed on the way.
#[derive(thiserror::Error)]
#[error("stopping failed in part: {}", failures.join("; "))]
pub struct StopError {
    /// What failed, phase by phase.
    pub failures: Vec<String>,
}

/// The error of `run_until` and `run_until_signal`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The broker did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The broker stopped, but something failed on the way.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The process cannot wait for signals of the operating system.
    #[error("cannot wait for signals: {0}")]
    Signal(#[from] std::io::Error),
}

impl From<LayerFailed> for BuildError {
    fn from(LayerFailed { layer, source }: LayerFailed) -> Self {
        Self::Layer { layer, source }
    }
}

impl From<LayerFailed> for StartError {
    fn from(LayerFailed { layer, source }: LayerFailed) -> Self {
        Self::Layer { layer, source }
    }
}

debug_is_text!(BuildError, StartError, WaitError, NodeWaitError, StopError, RunError);
