//! A stock Moleculer node in a process of its own, told what to do by lines of JSON.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tests_support::within;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

/// Which Moleculer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V014,
    V015,
}

impl Version {
    pub(crate) fn full(self) -> &'static str {
        match self {
            Self::V014 => "0.14.36",
            Self::V015 => "0.15.2",
        }
    }
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running node. Dropping it kills its process, and prints its log if the test has failed.
pub(crate) struct Js {
    pub(crate) name: String,
    process: Child,
    stdin: tokio::sync::Mutex<(u64, ChildStdin)>,
    waiting: Waiting,
    log: Arc<Mutex<Vec<String>>>,
}

impl Js {
    /// Starts a process and a broker in it with these options.
    pub(crate) async fn start(version: Version, options: Value, services: &[&str]) -> Self {
        Self::layered(version, options, services, json!([])).await
    }

    /// The same with middlewares that change packets: `[[name, arguments…], …]`.
    pub(crate) async fn layered(version: Version, options: Value, services: &[&str], layers: Value) -> Self {
        let script = folder().join("node.js");
        installed(version);
        let mut process = Command::new("node")
            .arg(script)
            .arg(version.full().rsplit_once('.').map_or("0.15", |(short, _)| short))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("`node` cannot be started ({error}): install Node.js 20 or newer")
            });
        let waiting = Waiting::default();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let answers = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let answer: Value = serde_json::from_str(&line).expect("the script writes JSON");
                let id = answer["id"].as_u64().unwrap_or_default();
                let asked = answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(asked) = asked {
                    let _ = asked.send(answer);
                }
            }
            // Whoever still waits is told by the drop of its sender.
            answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let stdin = tokio::sync::Mutex::new((0, process.stdin.take().expect("it is piped")));
        let name = options["nodeID"].as_str().unwrap_or("js").to_owned();
        let node = Self { name, process, stdin, waiting, log };
        let create = json!({ "do": "create", "options": options, "services": services, "layers": layers });
        let created = node.ask(create).await;
        assert_eq!(created["version"], version.full(), "run scripts/node-setup");
        node
    }

    /// Has it do something; panics if that fails there.
    pub(crate) async fn ask(&self, command: Value) -> Value {
        match self.attempt(command.clone()).await {
            Ok(answer) => answer,
            Err(error) => panic!("{} could not do {command}: {error:#}", self.name),
        }
    }

    /// Has it do something; the error as the script describes it.
    pub(crate) async fn attempt(&self, mut command: Value) -> Result<Value, Value> {
        let (asked, answer) = oneshot::channel();
        {
            let mut stdin = self.stdin.lock().await;
            stdin.0 += 1;
            command["id"] = stdin.0.into();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(stdin.0, asked);
            let line = format!("{command}\n");
            stdin.1.write_all(line.as_bytes()).await.expect("the process reads its input");
        }
        let answer = within(&format!("{} answers {command}", self.name), answer).await;
        let mut answer =
            answer.unwrap_or_else(|_| panic!("{} ended while it was asked for {command}", self.name));
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// A call of an action without options.
    pub(crate) async fn call(&self, action: &str, params: Value) -> Result<Value, Value> {
        self.attempt(json!({ "do": "call", "action": action, "params": params })).await
    }

    /// What its services and its broker's own events told since the last question.
    pub(crate) async fn heard(&self) -> Vec<Value> {
        match self.ask(json!({ "do": "heard" })).await {
            Value::Array(heard) => heard,
            _ => Vec::new(),
        }
    }

    /// Kills the process as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it runs");
    }

    /// Ends the process without stopping the broker.
    pub(crate) async fn exit(&mut self) {
        self.ask(json!({ "do": "exit" })).await;
        let _ = self.process.wait().await;
    }
}

impl Drop for Js {
    fn drop(&mut self) {
        // The process is killed by the drop of its handle.
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            println!("---- log of {}\n{}\n----", self.name, log.join("\n"));
        }
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/js")
}

/// A suite that cannot run must not look green.
fn installed(version: Version) {
    let package = match version {
        Version::V014 => "moleculer-014",
        Version::V015 => "moleculer-015",
    };
    let manifest = folder().join("node_modules").join(package).join("package.json");
    assert!(
        manifest.exists(),
        "Moleculer {} is not installed: run `scripts/node-setup`, which needs Node.js and npm",
        version.full()
    );
}

/// Whether this Node.js still derives keys from passwords as OpenSSL once did: up to version 21.
pub(crate) fn derives_keys() -> bool {
    let version = node_version();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    major.is_some_and(|major: u32| major < 22)
}

/// `v20.20.2`.
pub(crate) fn node_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let asked = std::process::Command::new("node").arg("--version").output();
        let asked = asked.expect("Node.js 20 or newer is installed");
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    })
}
