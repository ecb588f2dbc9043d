//! What can go wrong around a broker, beside calls.
//!
//! A `main` that returns one of these prints it by `Debug`, so that prints the text as well.

use ligand_transporters::{InvalidId, TransportError};
use std::collections::BTreeMap;

use crate::config::{ConfigError, debug_is_text};
use crate::error::Error;
use crate::layer::LayerFailed;

/// A broker cannot be made as it was described.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration has a mistake.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transporter has a mistake.
    #[error(transparent)]
    Transporter(#[from] TransportError),
    /// The node id cannot be used.
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

/// A broker, or a service of it, did not start. What had been started was stopped again.
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
    /// Two services of this node offer an action of the same full name.
    #[error("the action `{action}` is offered by `{first}` and by `{second}`: rename one of them")]
    DuplicateAction {
        /// Full name of the action.
        action: String,
        /// The service that has it.
        first: String,
        /// The service that wants it too.
        second: String,
    },
    /// A service that another one depends on did not appear.
    #[error("service `{service}` did not start: {missing}")]
    Dependency {
        /// The one that waited.
        service: String,
        /// What it waited for.
        missing: WaitError,
    },
    /// A `started` hook failed.
    #[error("service `{service}` did not start: {source}")]
    Hook {
        /// Whose hook it was.
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
    /// Something panicked that the start needs, such as a transporter of the user's.
    #[error("the start panicked: {0}")]
    Panicked(String),
    /// The transporter could not be opened.
    #[error("the transporter did not connect{}: {source}", if *.attempts > 1 { format!(" after {attempts} attempts") } else { String::new() })]
    Transporter {
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: TransportError,
    },
    /// The store of the discoverer could not be reached.
    #[error("the discoverer did not connect{}: {source}", if *.attempts > 1 { format!(" after {attempts} attempts") } else { String::new() })]
    Discoverer {
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: TransportError,
    },
    /// Another node has this id.
    #[error("the node id `{node}` is taken, its owner is {owner}: choose another id")]
    DuplicateNode {
        /// The id.
        node: String,
        /// Where its owner answered.
        owner: String,
    },
    /// The broker is running, or has been stopped.
    #[error("the broker has been {0} already: build another one")]
    AlreadyDone(&'static str),
}

/// Services that did not appear in time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", reasons(missing, not_started))]
#[non_exhaustive]
pub struct WaitError {
    /// Full names of those that are missing.
    pub missing: Vec<String>,
    /// Those of them that are services of this very node which have not started yet, each with the services
    /// that it waits for itself; with none where its own hooks are what is waited for.
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

/// Nodes that did not appear in time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such node is available: {}", list(missing))]
pub struct NodeWaitError {
    /// Ids of those that are missing.
    pub missing: Vec<String>,
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Stopping went on to the end, but not everything went well.
#[derive(thiserror::Error)]
#[error("stopping failed in part: {}", failures.join("; "))]
pub struct StopError {
    /// What went wrong, phase by phase.
    pub failures: Vec<String>,
}

/// What `run_until` and `run_until_signal` can fail with.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The broker did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The broker did not stop well.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// Signals of the operating system cannot be waited for.
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
