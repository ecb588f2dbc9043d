//! The processes of one subject, as the measuring process sees them.

use ligand_benches::process::{cpu_time, free_ports};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::figures::Figures;
use crate::load::Load;
use crate::subject::bus::{Bus, Part};
use crate::subject::{Kind, NODES};
use crate::table::Measured;
use crate::worker;

/// The client and the server of a subject. They end when this is dropped.
pub(crate) struct Session {
    // The client comes first, so it is dropped first.
    client: Peer,
    server: Option<Peer>,
}

impl Session {
    /// Starts the processes. `Ok(Err(why))` if the machine lacks what this subject needs.
    pub(crate) fn start(kind: Kind) -> io::Result<Result<Self, String>> {
        let server_is_missing = || if let Kind::On(bus, _) = kind { bus.is_missing() } else { None };
        let js_is_missing = || if kind.is_js() { js_is_missing() } else { None };
        if let Some(why) = server_is_missing().or_else(js_is_missing) {
            return Ok(Err(why));
        }
        // The first one is the client's.
        let ports = free_ports(1 + NODES)?;
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        let place = match kind {
            // No other process has these ports, so none has this name.
            Kind::On(..) => format!("bench-{}-{}", std::process::id(), ports[0]),
            _ => ports.join(","),
        };
        let server = kind.has_server().then(|| Peer::start(kind, "server", &place)).transpose()?;
        Ok(Ok(Self { client: Peer::start(kind, "client", &place)?, server }))
    }

    /// Runs a load for about this time.
    pub(crate) fn measure(&mut self, load: Load, warm_up: Duration, time: Duration) -> io::Result<Measured> {
        if !warm_up.is_zero() {
            self.client.run(load, warm_up)?;
        }
        let before = self.cpu()?;
        let figures = self.client.run(load, time)?;
        let cpu = self.cpu()?.saturating_sub(before);
        let (count, seconds) = (figures.count.max(1) as f64, figures.nanos as f64 / 1e9);
        Ok(Measured {
            per_second: count / seconds,
            cpu_micros: cpu.as_secs_f64() * 1e6 / count,
            p50_micros: (figures.p50_nanos > 0).then(|| figures.p50_nanos as f64 / 1e3),
        })
    }

    fn cpu(&self) -> io::Result<Duration> {
        let server = self.server.as_ref().map_or(Ok(Duration::ZERO), |server| cpu_time(server.child.id()))?;
        Ok(server + cpu_time(self.client.child.id())?)
    }
}

struct Peer {
    child: Child,
    /// Dropping it closes it, which tells the process that it is not needed any more.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a process and waits until it is ready.
    fn start(kind: Kind, role: &str, place: &str) -> io::Result<Self> {
        let mut command = match kind {
            kind if kind.is_js() => {
                let mut node = Command::new("node");
                node.arg(js_directory().join("peer.js"));
                if let Kind::On(bus, part) = kind {
                    node.env("TRANSPORTER", js_transporter(bus, part)?);
                }
                node
            }
            _ => {
                let mut own = Command::new(std::env::current_exe()?);
                own.arg(worker::MARK).arg(kind.id());
                own
            }
        };
        let mut child = command.arg(role).arg(place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = BufReader::new(output.ok_or(io::ErrorKind::BrokenPipe)?);
        let mut peer = Self { child, input, output };
        match peer.line()?.trim() {
            "ready" => Ok(peer),
            other => Err(io::Error::other(format!("the {role} said `{other}` instead of `ready`"))),
        }
    }

    fn run(&mut self, load: Load, time: Duration) -> io::Result<Figures> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{} {}", load.to_words(), time.as_millis().max(1))?;
        input.flush()?;
        let line = self.line()?;
        Figures::from_words(&line).ok_or_else(|| io::Error::other(format!("the client said `{line}`")))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(io::Error::other("the process has ended")),
            _ => Ok(line),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        // It need not end gracefully, because nothing is measured any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn js_directory() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("js")
}

/// The `transporter` of Moleculer's options, as JSON.
fn js_transporter(bus: Bus, part: Part) -> io::Result<String> {
    let url = bus.url()?;
    let transporter = match (bus, part) {
        (Bus::Amqp, Part::Js) => serde_json::json!({
            "type": "AMQP",
            "options": { "url": url, "prefetch": 100, "socketOptions": { "noDelay": true } },
        }),
        _ => url.into(),
    };
    Ok(transporter.to_string())
}

/// Why the subject in JavaScript cannot take part.
fn js_is_missing() -> Option<String> {
    let mut node = Command::new("node");
    node.arg(js_directory().join("peer.js")).arg("check");
    match node.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(_) => Some("skipped: node not found".to_owned()),
        Ok(status) if status.success() => None,
        Ok(_) => Some("skipped: run scripts/node-setup".to_owned()),
    }
}
