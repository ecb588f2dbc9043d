//! Servers that a test adds through `scripts/servers` in order to break them.

use tokio::process::Command;

/// Servers that were added for this test. If a test fails and leaves them behind, they are stopped with the
/// rest of the run.
#[derive(Debug)]
pub struct Added {
    instances: String,
    pub url: String,
}

impl Added {
    /// Adds a server, or a few that belong together.
    pub async fn new(kind: &str) -> Self {
        let told = servers(&["add", kind]).await;
        let (instances, url) = told.trim().split_once(' ').unwrap();
        Self { instances: instances.to_owned(), url: url.to_owned() }
    }

    /// The instance whose name ends with this.
    pub fn instance(&self, end: &str) -> &str {
        self.instances.split(',').find(|name| name.ends_with(end)).unwrap()
    }

    /// Runs a command such as `kill` or `start-one` on an instance.
    pub async fn tell(&self, command: &str, instance: &str) {
        servers(&[command, instance]).await;
    }

    /// The path of one of its files: `config`, `log` and others.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        let run = std::env::var("TEST_SERVERS").expect("`scripts/servers` names the run");
        [&run, &self.instances, name].iter().collect()
    }

    /// Stops all of them and deletes their data.
    pub async fn remove(self) {
        servers(&["remove", &self.instances]).await;
    }
}

/// Runs `scripts/servers`.
pub async fn servers(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers");
    let done = Command::new(script).args(arguments).output().await.unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "scripts/servers {}: {}", arguments.join(" "), complaint.trim());
    String::from_utf8(done.stdout).unwrap()
}

/// The URL of a server, from the environment.
///
/// # Panics
/// If it is not set. A suite that did not run must not look as if it had.
pub fn url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests by scripts/test, which starts the servers, or name one")
    })
}
