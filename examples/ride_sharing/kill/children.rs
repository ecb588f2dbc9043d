//! Runs the services as child processes, one for each replica.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::KillError;
use crate::role::SERVICES;

/// The children, by node id. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Children(BTreeMap<String, Child>);

impl Children {
    /// Starts a process for every replica of every service.
    pub(super) fn start(bus: &str, replicas: u16, directory: &Path) -> Result<Self, KillError> {
        let program = std::env::current_exe().map_err(KillError::Children)?;
        let mut children = BTreeMap::new();
        for role in SERVICES {
            for replica in 1..=replicas {
                let child = Command::new(&program)
                    .args(["--child", "--role", role.name(), "--transporter", bus])
                    .args(["--replica", &replica.to_string(), "--replicas", &replicas.to_string()])
                    .arg("--database")
                    .arg(directory)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()
                    .map_err(KillError::Children)?;
                children.insert(role.node_id(replica), child);
            }
        }
        Ok(Self(children))
    }

    /// Kills a child, as a crash would, and waits until it is gone.
    pub(super) async fn kill(&mut self, node: &str) -> Result<(), KillError> {
        match self.0.get_mut(node) {
            Some(child) => child.kill().await.map_err(KillError::Children),
            None => Ok(()),
        }
    }

    /// Makes the other children leave by closing their standard input, and waits until they have ended.
    pub(super) async fn stop(&mut self) -> Result<(), KillError> {
        for child in self.0.values_mut() {
            drop(child.stdin.take());
        }
        for child in self.0.values_mut() {
            child.wait().await.map_err(KillError::Children)?;
        }
        Ok(())
    }
}
