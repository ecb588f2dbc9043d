//! A Redis server, and a look into it that owes nothing to the code under test.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tests_support::{free_port, until};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The server of the environment, or one of this test's own.
pub(crate) struct Server {
    address: String,
    own: Option<Own>,
}

struct Own {
    process: Option<Child>,
    port: u16,
    data: TempDir,
}

/// Whether to go on without a server: a suite that cannot run must not look green by accident.
fn done_without(why: &str) -> bool {
    let without = std::env::var("TEST_WITHOUT").unwrap_or_default();
    assert!(
        without.split([',', ' ']).any(|name| name == "redis"),
        "NOT RUN: the Redis discoverer: {why}; install it, or set TEST_WITHOUT=redis to do without"
    );
    println!("NOT RUN: the Redis discoverer: {why}");
    true
}

impl Server {
    /// `REDIS_URL`, or a new one. `None` where there is neither and that is allowed.
    pub(crate) async fn any() -> Option<Self> {
        match std::env::var("REDIS_URL") {
            Ok(url) => {
                let address = url.trim_start_matches("redis://").split(['/', '?']).next().unwrap_or_default();
                Some(Self { address: address.to_owned(), own: None })
            }
            Err(_) => Self::own().await,
        }
    }

    /// One that the test may stop.
    pub(crate) async fn own() -> Option<Self> {
        let port = free_port();
        let own = Own { process: None, port, data: tempfile::tempdir().unwrap() };
        let mut server = Self { address: format!("127.0.0.1:{port}"), own: Some(own) };
        match server.start().await {
            Ok(()) => Some(server),
            Err(error) => {
                done_without(&format!("`redis-server` cannot be started ({error})"));
                None
            }
        }
    }

    /// Starts it again, without data, on the same port.
    pub(crate) async fn start(&mut self) -> std::io::Result<()> {
        let own = self.own.as_mut().expect("a server of the test's own");
        let process = Command::new("redis-server")
            .args([
                "--port",
                &own.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--loglevel", "warning", "--dir", &own.data.path().to_string_lossy()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        own.process = Some(process);
        let what = format!("{} answers", self.address);
        until(&what, async || matches!(self.ask(&["PING"]).await.as_deref(), Ok("PONG"))).await;
        Ok(())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.own.as_mut().and_then(|own| own.process.take()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// What a command answers with one value, byte for byte.
    pub(crate) async fn ask_raw(&self, command: &[&str]) -> std::io::Result<Vec<u8>> {
        let mut stream = self.asked(command).await?;
        let head = line(&mut stream).await?;
        let mut value = vec![0; head[1..].parse().unwrap_or(0)];
        stream.read_exact(&mut value).await?;
        Ok(value)
    }

    async fn asked(&self, command: &[&str]) -> std::io::Result<BufReader<TcpStream>> {
        let mut stream = BufReader::new(TcpStream::connect(&self.address).await?);
        let mut request = format!("*{}\r\n", command.len());
        for word in command {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// What a command answers, as text: elements of lists in lines, null as empty.
    pub(crate) async fn ask(&self, command: &[&str]) -> std::io::Result<String> {
        let mut stream = self.asked(command).await?;
        let first = line(&mut stream).await?;
        let (kind, rest) = first.split_at(1);
        match kind {
            "*" => {
                let mut lines = Vec::new();
                for _ in 0..rest.parse().unwrap_or(0) {
                    let head = line(&mut stream).await?;
                    lines.push(bulk(&mut stream, &head[1..]).await?);
                }
                lines.sort();
                Ok(lines.join("\n"))
            }
            "$" => bulk(&mut stream, rest).await,
            _ => Ok(rest.to_owned()),
        }
    }

    /// Names of keys, in order.
    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.ask(&["KEYS", pattern]).await.unwrap().lines().map(str::to_owned).collect()
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    match line.trim_end() {
        "" => Err(std::io::ErrorKind::UnexpectedEof.into()),
        line => Ok(line.to_owned()),
    }
}

async fn bulk(stream: &mut BufReader<TcpStream>, length: &str) -> std::io::Result<String> {
    let Ok(length) = length.parse::<usize>() else { return Ok(String::new()) };
    let mut text = vec![0; length + 2];
    stream.read_exact(&mut text).await?;
    text.truncate(length);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A namespace that nobody else uses on a server that may be shared.
pub(crate) fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
