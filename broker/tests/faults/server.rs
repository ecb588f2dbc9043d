//! A message server to break, through `scripts/servers`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::places::Transporter;

/// One that was added to the run of servers, and is removed by [`Server::remove`] or with the run.
#[derive(Debug)]
pub(crate) struct Server {
    transporter: Transporter,
    /// Its names in the run, separated by commas.
    names: String,
    pub(crate) url: String,
}

impl Server {
    /// One more server of a transporter, ready.
    pub(crate) async fn add(transporter: Transporter) -> Result<Self, String> {
        let kind = transporter.server.ok_or("there is no server over TCP")?;
        let told = servers(&["add", kind]).await?;
        let (names, url) = told.trim().split_once(' ').ok_or_else(|| format!("`add` says {told:?}"))?;
        Ok(Self { transporter, names: names.to_owned(), url: url.to_owned() })
    }

    pub(crate) async fn remove(self) -> Result<(), String> {
        servers(&["remove", &self.names]).await.map(drop)
    }

    /// SIGTERM, and its end.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        servers(&["stop-one", &self.names]).await.map(drop)
    }

    /// SIGKILL, and its end.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        servers(&["kill", &self.names]).await.map(drop)
    }

    /// Starts it again, and says since when it answers: since its port is open, where that says so.
    pub(crate) async fn start(&self) -> Result<Instant, String> {
        let port = *self.ports()?.first().ok_or("it has a port")?;
        let open = async {
            loop {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                    return Instant::now();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let start = async {
            servers(&["start-one", &self.names]).await?;
            Ok::<_, String>(Instant::now())
        };
        if self.transporter.opens_early {
            return start.await;
        }
        let (opened, started) = tokio::join!(tokio::time::timeout(crate::PATIENCE, open), start);
        started?;
        opened.map_err(|_| "its port does not open".to_owned())
    }

    pub(crate) async fn restart(&self) -> Result<(), String> {
        servers(&["restart", &self.names]).await.map(drop)
    }

    /// What its own tool answers, of every process of it.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut told = String::new();
        for name in self.names.split(',') {
            told += &servers(&[&["ask", name], words].concat()).await?;
        }
        Ok(told)
    }

    /// The ports that clients connect to.
    pub(crate) fn ports(&self) -> Result<Vec<u16>, String> {
        self.names.split(',').map(|name| number(name, "port")).collect()
    }

    /// The port at which a NATS server tells about itself.
    pub(crate) fn monitor_port(&self) -> Result<u16, String> {
        number(&self.names, "monitor-port")
    }
}

fn number(name: &str, file: &str) -> Result<u16, String> {
    let run = std::env::var("TEST_SERVERS").map_err(|_| "TEST_SERVERS is not set".to_owned())?;
    let path = PathBuf::from(run).join(name).join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.trim().parse().map_err(|error| format!("{}: {error}", path.display()))
}

async fn servers(arguments: &[&str]) -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers");
    let done = Command::new(script).args(arguments).output().await.map_err(|error| error.to_string())?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("scripts/servers {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}
