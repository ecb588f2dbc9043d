//! Signals that ask a process to end. The process is this test program once more.
#![cfg(unix)]

use ligand::{Context, Error, ServiceBroker, ServiceDef};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tests_support::within;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::ways::secs;

/// Says which part the process plays; without it there is none.
const PART: &str = "SIGNALS_TEST_PART";
/// Far above what leaving at once takes, far below what waiting for the service would.
const AT_ONCE: Duration = secs(10);
const SHUTDOWN: Duration = secs(300);

/// Not a test of its own: the process that the others start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_asked_to_end() {
    let Ok(part) = std::env::var(PART) else { return };
    let hangs = part == "hangs";
    let service = ServiceDef::builder("svc")
        .started(|_| async {
            println!("started");
            Ok::<_, Error>(())
        })
        .action("end", |cx: Context, ()| async move {
            cx.broker().stop_in_background();
            Ok::<_, Error>(())
        })
        .stopped(move || async move {
            println!("stopping");
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, Error>(())
        });
    let broker = ServiceBroker::builder().node_id("n").service(service.build()).configure(|config| {
        config.tracking.shutdown_timeout = SHUTDOWN;
    });
    let broker = broker.build().unwrap();
    let within = async {
        if part == "ends from within" {
            broker.wait_for(&["svc"]).await.unwrap();
            broker.call::<()>("svc.end", ()).await.unwrap();
        }
    };
    tokio::join!(broker.run_until_signal(), within).0.unwrap();
    println!("stopped");
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts one whose service runs when this returns.
    async fn start(part: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "signals::a_process_that_is_asked_to_end", "--nocapture"]).env(PART, part);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.says("started").await;
        process
    }

    /// Waits until it says this.
    async fn says(&mut self, text: &str) {
        let heard = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                // The test harness may have begun the line.
                if line.ends_with(text) {
                    return;
                }
            }
            panic!("it ended without saying `{text}`");
        };
        within(&format!("it says `{text}`"), heard).await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().await.unwrap().success());
    }

    async fn end(mut self) -> ExitStatus {
        within("it ends", self.child.wait()).await.unwrap()
    }
}

#[tokio::test]
async fn one_signal_ends_a_process_after_its_services() {
    for signal in ["INT", "TERM"] {
        let mut process = Process::start("stops").await;
        process.signal(signal).await;
        process.says("stopping").await;
        process.says("stopped").await;
        assert_eq!(process.end().await.code(), Some(0), "SIG{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_process_at_once_whatever_its_services_do() {
    for (first, second, code) in [("INT", "INT", 130), ("TERM", "TERM", 143), ("TERM", "INT", 130)] {
        let mut process = Process::start("hangs").await;
        process.signal(first).await;
        process.says("stopping").await;
        let from = Instant::now();
        process.signal(second).await;
        assert_eq!(process.end().await.code(), Some(code), "SIG{first}, SIG{second}");
        let took = from.elapsed();
        println!("SIG{second} after SIG{first} ended the process after {took:.1?}");
        assert!(took < AT_ONCE, "it took {took:?}");
    }
}

#[tokio::test]
async fn a_process_whose_handler_stops_the_broker_ends_without_any_signal() {
    let mut process = Process::start("ends from within").await;
    process.says("stopping").await;
    process.says("stopped").await;
    assert_eq!(process.end().await.code(), Some(0));
}
