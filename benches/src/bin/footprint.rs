//! Start-up time and idle memory of a node over TCP, compared with a minimal listener.
//!
//! `footprint [--rounds N]`
//!
//! Each subject is a process of its own (this program starts itself again). Each is measured five times, in
//! turn. Start-up time ends when the process says that it is ready. Memory is the resident memory one second
//! later, and the part of it that belongs only to the process. The last line is the memory of the registry
//! for each of 1,000 nodes.
#![allow(clippy::disallowed_methods, reason = "a benchmark ends with all its tasks and threads")]

use ligand::__bench::Nodes;
use ligand::{Context, Error, ServiceBroker, ServiceDef};
use ligand_benches::info;
use ligand_benches::process::{Memory, free_ports, median, memory};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// The time after which a process counts as idle.
const SETTLED: Duration = Duration::from_secs(1);
const NODES: usize = 1_000;

fn main() -> ExitCode {
    let rounds =
        || std::env::args().nth(2).and_then(|rounds| rounds.parse().ok()).filter(|rounds| *rounds > 0);
    let result = match std::env::args().nth(1).as_deref() {
        None => compare(ROUNDS),
        Some("--rounds") => match rounds() {
            Some(rounds) => compare(rounds),
            None => Err(io::Error::other("--rounds needs a number above 0")),
        },
        Some("listener") => runtime().and_then(|runtime| runtime.block_on(listener())),
        Some("ligand") => runtime().and_then(|runtime| runtime.block_on(node())),
        Some(role) => registry(role == "registry-own"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn compare(rounds: usize) -> io::Result<()> {
    let mut figures = [(); 3].map(|()| [const { Vec::new() }; 3]);
    let subjects = ["listener", "ligand", "moleculer-js"];
    let mut js_runs = true;
    for _ in 0..rounds {
        for (subject, [start, resident, own]) in subjects.iter().zip(&mut figures) {
            let mut command = match *subject {
                "moleculer-js" => match javascript()? {
                    Some(command) if js_runs => command,
                    _ => {
                        js_runs = false;
                        continue;
                    }
                },
                own => own_process(own)?,
            };
            let (took, memory) = measure(&mut command)?;
            start.push(took.as_secs_f64() * 1e3);
            resident.push(memory.resident as f64);
            own.push(memory.own as f64);
        }
    }
    println!("{:<16}{:>14}{:>14}{:>14}", "subject", "ready in ms", "idle KiB", "its own KiB");
    for (subject, figures) in subjects.iter().zip(figures) {
        match figures.map(median) {
            [Some(start), Some(resident), Some(own)] => {
                println!("{subject:<16}{start:>14.1}{resident:>14.0}{own:>14.0}");
            }
            _ => println!("{subject:<16}  skipped: node or its packages not found (scripts/node-setup)"),
        }
    }
    for (role, what) in [("registry-equal", "equal services"), ("registry-own", "services of its own")] {
        let (_, with) = measure(&mut own_process(role)?)?;
        let (_, without) = measure(&mut own_process("registry-none")?)?;
        let each = with.resident.saturating_sub(without.resident) as f64 / NODES as f64;
        println!("{each:.1} KiB per node in a registry of {NODES}, {what}");
    }
    println!("{}", ligand_benches::build());
    Ok(())
}

fn own_process(role: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

/// A stock node in JavaScript, if the machine has what it needs.
fn javascript() -> io::Result<Option<Command>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    if !directory.join("../../broker/tests/interop/js/node_modules/moleculer-015").is_dir() {
        return Ok(None);
    }
    let ports = free_ports(1)?;
    let mut command = Command::new("node");
    command.current_dir(&directory).arg(directory.join("peer.js")).args(["idle", &ports[0].to_string()]);
    Ok(Some(command))
}

/// Starts a process. Returns the time until it was ready, and its memory when idle.
fn measure(command: &mut Command) -> io::Result<(Duration, Memory)> {
    let from = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let ready = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe.into()).and_then(|output| {
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() == "ready" {
            Ok(from.elapsed())
        } else {
            Err(io::Error::other("a process did not start"))
        }
    });
    let measured = ready.and_then(|took| {
        std::thread::sleep(SETTLED);
        Ok((took, memory(child.id())?))
    });
    child.kill()?;
    child.wait()?;
    measured
}

/// Says that it is ready, and waits until the process is ended.
fn ready() -> io::Result<()> {
    println!("ready");
    io::stdout().flush()?;
    std::thread::park();
    Ok(())
}

async fn listener() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    ready()
}

async fn node() -> io::Result<()> {
    let port = free_ports(1)?[0];
    let url = format!("tcp://127.0.0.1:{port}/idle?udpDiscovery=false&useHostname=false&bind=127.0.0.1");
    let service = ServiceDef::builder("idle")
        .action("echo", |_cx: Context, text: String| async move { Ok::<_, Error>(text) });
    let broker = ServiceBroker::builder().node_id("idle").transporter(url.as_str()).service(service);
    let broker = broker.build().map_err(io::Error::other)?;
    broker.start().await.map_err(io::Error::other)?;
    ready()
}

/// A registry full of nodes. For comparison, another process holds only their packets.
fn registry(own: bool) -> io::Result<()> {
    let registry = Nodes::new();
    let fill = std::env::args().nth(1).is_none_or(|role| role != "registry-none");
    for n in 0..NODES {
        let packet = info::packet(n, own);
        if fill {
            registry.info(&packet);
        }
    }
    ready()
}
