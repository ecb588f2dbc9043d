//! Servers of a test's own, to break, through `scripts/servers`.

use tokio::process::Command;

/// What was added for this test. Left over by a test that failed, it is stopped with the rest of the run.
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

    /// The one whose name ends so.
    pub fn instance(&self, end: &str) -> &str {
        self.instances.split(',').find(|name| name.ends_with(end)).unwrap()
    }

    /// `kill`, `start-one` and the like.
    pub async fn tell(&self, command: &str, instance: &str) {
        servers(&[command, instance]).await;
    }

    /// Its files: `config`, `log` and others.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        let run = std::env::var("TEST_SERVERS").expect("`scripts/servers` names the run");
        [&run, &self.instances, name].iter().collect()
    }

    /// Stops all of them and forgets their data.
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
/// When it is not set: a suite that did not run must not look as if it had.
pub fn url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests by scripts/test, which starts the servers, or name one")
    })
}
