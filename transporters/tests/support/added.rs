//! Servers of a test's own, to break, through `scripts/servers`.

use tokio::process::Command;

/// What was added for this test. Left over by a test that failed, it is stopped with the rest of the run.
#[derive(Debug)]
pub(crate) struct Added {
    instances: String,
    pub(crate) url: String,
}

impl Added {
    /// Adds a server, or a few that belong together.
    pub(crate) async fn new(kind: &str) -> Self {
        let told = servers(&["add", kind]).await;
        let (instances, url) = told.trim().split_once(' ').unwrap();
        Self { instances: instances.to_owned(), url: url.to_owned() }
    }

    /// The one whose name ends so.
    pub(crate) fn instance(&self, end: &str) -> &str {
        self.instances.split(',').find(|name| name.ends_with(end)).unwrap()
    }

    /// `kill`, `start-one` and the like.
    pub(crate) async fn tell(&self, command: &str, instance: &str) {
        servers(&[command, instance]).await;
    }

    /// Its files: `config`, `log` and others.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        let run = std::env::var("LIGAND_SERVERS").expect("`scripts/servers` names the run");
        [&run, &self.instances, name].iter().collect()
    }

    /// Stops all of them and forgets their data.
    pub(crate) async fn remove(self) {
        servers(&["remove", &self.instances]).await;
    }
}

/// Runs `scripts/servers`.
pub(crate) async fn servers(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers");
    let done = Command::new(script).args(arguments).output().await.unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "scripts/servers {}: {}", arguments.join(" "), complaint.trim());
    String::from_utf8(done.stdout).unwrap()
}
