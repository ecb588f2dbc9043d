//! A TCP proxy that cuts, refuses and freezes connections.

use futures_util::FutureExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::translation::Translation;

/// What the proxy does with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Bytes pass.
    Open,
    /// Connections are closed, new ones at once.
    Cut,
    /// Connections stay, no byte passes, new ones are accepted and get no answer.
    Frozen,
    /// What clients send waits; what the server sends passes.
    Unheard,
}

impl Mode {
    fn passes_to_server(self) -> bool {
        !matches!(self, Self::Frozen | Self::Unheard)
    }

    fn passes_to_client(self) -> bool {
        self != Self::Frozen
    }
}

/// A proxy in front of one server, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    /// Connections that are open now.
    open: Arc<watch::Sender<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface. Must be called inside a runtime.
    pub(crate) fn start(server: &str) -> Self {
        Self::translating(server, |_| None)
    }

    /// The same for servers that tell clients where to connect to (Kafka): its own address takes the place
    /// of the server's, which is `127.0.0.1` and a port.
    pub(crate) fn posing(server: &str) -> Self {
        let port = |address: &str| address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
        let real = port(server);
        Self::translating(server, |own| {
            let told = |port: u16| [&b"127.0.0.1"[..], &u32::from(port).to_be_bytes()].concat();
            Some(Translation::new(told(real), told(own.port())))
        })
    }

    fn translating(server: &str, translation: impl FnOnce(SocketAddr) -> Option<Translation>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::channel(Mode::Open).0);
        let open = Arc::new(watch::channel(0).0);
        let task = tokio::spawn(accept(
            TcpListener::from_std(listener).unwrap(),
            server.to_owned(),
            translation(address),
            Arc::clone(&mode),
            Arc::clone(&open),
        ));
        Self { address, mode, open, task }
    }

    /// `host:port` to connect to.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks every connection, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Stops every byte; the connections stay.
    pub(crate) fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Stops what clients send, as if the server took its time to read it.
    pub(crate) fn hold_back(&self) {
        self.mode.send_replace(Mode::Unheard);
    }

    /// Lets connections through again.
    pub(crate) fn restore(&self) {
        self.mode.send_replace(Mode::Open);
    }

    /// Waits until so many connections are open.
    pub(crate) async fn connections(&self, count: usize) {
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open == count).await.unwrap();
    }

    /// How many connections are open now.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.mode.send_replace(Mode::Cut);
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    translation: Option<Translation>,
    mode: Arc<watch::Sender<Mode>>,
    open: Arc<watch::Sender<usize>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if *mode.borrow() == Mode::Cut {
            continue;
        }
        let (server, modes, open) = (server.clone(), mode.subscribe(), Arc::clone(&open));
        let translation = translation.clone();
        tokio::spawn(async move {
            open.send_modify(|open| *open += 1);
            let _ = pass(client, &server, translation, modes).await;
            open.send_modify(|open| *open -= 1);
        });
    }
}

async fn pass(
    client: TcpStream,
    server: &str,
    translation: Option<Translation>,
    mut modes: watch::Receiver<Mode>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (there, back) = (modes.clone(), modes.clone());
    tokio::select! {
        done = forward(from_client, to_server, None, there, Mode::passes_to_server) => done,
        done = forward(from_server, to_client, translation, back, Mode::passes_to_client) => done,
        _ = modes.wait_for(|mode| *mode == Mode::Cut) => Ok(()),
    }
}

/// Moves bytes one way; frozen, it stops between a read and a write, so that none is lost. What was on its
/// way from somebody who left while it was frozen is: what the system had taken from a client is not that
/// client's any more, and no concern of tests about what its library holds.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut translation: Option<Translation>,
    mut modes: watch::Receiver<Mode>,
    passes: fn(Mode) -> bool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if !passes(*modes.borrow()) {
            // An error says that the proxy has gone.
            let thawed = modes.wait_for(|mode| passes(*mode)).await.is_ok();
            let state = from.ready(Interest::READABLE).now_or_never();
            if !thawed || matches!(state, Some(Ok(state)) if state.is_read_closed()) {
                return Ok(());
            }
        }
        match &mut translation {
            Some(translation) => to.write_all(&translation.apply(&buffer[..count])).await?,
            None => to.write_all(&buffer[..count]).await?,
        }
    }
}
