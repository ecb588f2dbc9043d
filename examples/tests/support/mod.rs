//! Running the examples as the programs that they are.
//!
//! `cargo test` builds examples beside the tests, and this is where it puts them.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// No example may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that has not been started yet.
pub(crate) fn program(example: &str) -> Command {
    let test = std::env::current_exe().expect("a running program knows where it is");
    let directory =
        test.ancestors().nth(2).expect("tests are built two levels below the profile's directory");
    let path: PathBuf = directory.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    let mut program = Command::new(path);
    // What the caller's environment says must not matter.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LIGAND_")) {
        program.env_remove(name);
    }
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    program
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end, with this on its standard input.
pub(crate) async fn run(mut program: Command, input: &str) -> Ended {
    let mut child = program.stdin(Stdio::piped()).spawn().expect("the example can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    let run = async {
        // A program that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.expect("its output can be read")
    };
    let output = timeout(PATIENCE, run).await.expect("the example ends in time");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

/// A program that runs beside the test. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(mut program: Command) -> Self {
        let mut child = program.stderr(Stdio::inherit()).spawn().expect("the example can be started");
        let out = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, out }
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.out.next_line()).await.expect("the line comes in time");
        line.expect("its output can be read").expect("it has not ended yet")
    }

    /// Asks it to end, as a terminal or a supervisor would, and waits until it has.
    pub(crate) async fn stop(mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().expect("it has not ended yet").to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().await;
        assert!(sent.expect("`kill` can be run").success());
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it can be waited for")
    }
}
