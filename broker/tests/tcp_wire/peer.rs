//! A peer of bare sockets: frames written by hand, whatever comes noted.

use ligand::ServiceBroker;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tests_support::{tcp, within};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(crate) use tests_support::tcp::{
    EVENT, GOSSIP_REQ, GOSSIP_RES, HELLO, PING, PONG, REQUEST, RESPONSE, frame,
};

use crate::support::until_it_sees;

/// Frames that wait to be looked at; with that many, a door reads no more.
const NOTED: usize = 65_536;

/// A frame that a peer received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) code: u8,
    pub(crate) payload: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// A socket that speaks frames.
pub(crate) struct Line(TcpStream);

impl Line {
    /// A connection without any greeting.
    pub(crate) async fn open(port: u16) -> Self {
        let stream =
            within("it takes the connection", TcpStream::connect(("127.0.0.1", port))).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn send(&mut self, code: u8, payload: &[u8]) {
        self.write(&frame(code, payload)).await;
    }

    pub(crate) async fn send_json(&mut self, code: u8, payload: &Value) {
        self.send(code, payload.to_string().as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within("it is written", self.0.write_all(bytes)).await.unwrap();
    }

    /// Says who is sending, and where it listens.
    pub(crate) async fn hello(&mut self, id: &str, port: u16) {
        let hello = json!({ "host": "127.0.0.1", "port": port, "ver": "5", "sender": id });
        self.send_json(HELLO, &hello).await;
    }
}

/// Where a peer listens: it takes every connection, and notes every frame.
pub(crate) struct Door {
    pub(crate) port: u16,
    frames: mpsc::Receiver<Received>,
    reading: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Door {
    /// A door that keeps what comes.
    pub(crate) async fn open() -> Self {
        Self::that_keeps(true).await
    }

    /// A door behind which frames are thrown away, for tests that make a great many of them.
    pub(crate) async fn without_memory() -> Self {
        Self::that_keeps(false).await
    }

    async fn that_keeps(keeps: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, frames) = mpsc::channel(NOTED);
        let (reading, gate) = watch::channel(true);
        let accepting = tokio::spawn(async move {
            // Connections end with their peers, and all of them with this task.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(read(stream, keeps.then(|| sender.clone()), gate.clone()));
            }
        });
        Self { port, frames, reading, accepting }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Reads nothing more, after the frame that is being read.
    pub(crate) fn stop_reading(&self) {
        self.reading.send_replace(false);
    }

    /// Breaks every connection, as the end of a process does, and listens no more.
    pub(crate) fn slam(&self) {
        self.accepting.abort();
    }

    /// The next frame of this type; others are dropped.
    pub(crate) async fn next(&mut self, code: u8) -> Received {
        within(&format!("a frame of type {code} comes"), async {
            loop {
                let frame = self.frames.recv().await.unwrap();
                if frame.code == code {
                    return frame;
                }
            }
        })
        .await
    }

    /// A frame of this type, if one has come already.
    pub(crate) fn noted(&mut self, code: u8) -> Option<Received> {
        std::iter::from_fn(|| self.frames.try_recv().ok()).find(|frame| frame.code == code)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn read(
    mut stream: TcpStream,
    frames: Option<mpsc::Sender<Received>>,
    mut gate: watch::Receiver<bool>,
) {
    while gate.wait_for(|reading| *reading).await.is_ok()
        && let Some((code, payload)) = tcp::read(&mut stream).await
    {
        if let Some(frames) = &frames {
            // Whoever looked has gone.
            let _ = frames.send(Received { code, payload }).await;
        }
    }
}

/// A peer with an id that has said HELLO to a node.
pub(crate) struct Peer {
    pub(crate) id: String,
    /// Stamped on what it sends.
    pub(crate) ver: Value,
    pub(crate) door: Door,
    pub(crate) line: Line,
}

impl Peer {
    /// Connects to a node and says HELLO; the node does not know more of it than that.
    pub(crate) async fn greet(id: &str, node: u16) -> Self {
        Self::greet_from(id, Door::open().await, node).await
    }

    /// The same from this door.
    pub(crate) async fn greet_from(id: &str, door: Door, node: u16) -> Self {
        let mut line = Line::open(node).await;
        line.hello(id, door.port).await;
        Self { id: id.to_owned(), ver: json!("5"), door, line }
    }

    /// Connects to a node and becomes a member of its cluster, with these services.
    pub(crate) async fn join(id: &str, broker: &ServiceBroker, services: Value) -> Self {
        let mut peer = Self::greet(id, crate::support::port_of(broker).await).await;
        peer.introduce(2, services).await;
        until_it_sees(broker, id).await;
        peer
    }

    /// Sends the INFO of this peer.
    pub(crate) async fn introduce(&mut self, seq: u64, services: Value) {
        let info = info(&self.id, self.door.port, seq, services);
        let packet = json!({ "online": { &self.id: [info, 0, 0] } });
        self.send(GOSSIP_RES, packet).await;
    }

    /// Sends a packet with version and sender of this peer.
    pub(crate) async fn send(&mut self, code: u8, mut packet: Value) {
        packet["ver"] = self.ver.clone();
        packet["sender"] = json!(self.id);
        self.line.send_json(code, &packet).await;
    }

    /// Sends a request; its answer comes as a RESPONSE.
    pub(crate) async fn request(&mut self, id: &str, action: &str, params: Value) {
        self.send(REQUEST, request(id, action, params)).await;
    }

    /// Waits for the answer to a request; others are dropped.
    pub(crate) async fn response(&mut self, id: &str) -> Value {
        loop {
            let answer = self.door.next(RESPONSE).await.json();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Waits until the node has worked off everything that was sent before.
    pub(crate) async fn caught_up(&mut self) {
        let id = "caught-up";
        self.send(PING, json!({ "time": 1, "id": id })).await;
        while self.door.next(PONG).await.json()["id"] != id {}
    }
}

/// A request without version and sender.
pub(crate) fn request(id: &str, action: &str, params: Value) -> Value {
    let mut packet = json!({
        "id": id, "action": action, "params": null, "meta": {}, "headers": {}, "timeout": 5000, "level": 1,
        "tracing": null, "parentID": null, "requestID": id, "caller": null, "stream": false,
    });
    packet["params"] = params;
    packet
}

/// What a node says about itself.
pub(crate) fn info(instance: &str, port: u16, seq: u64, services: Value) -> Value {
    let mut info = json!({
        "ipList": ["127.0.0.1"], "hostname": "127.0.0.1", "instanceID": instance, "port": port, "seq": seq,
        "client": { "type": "raw", "version": "1", "langVersion": "1" }, "config": {}, "metadata": {},
        "services": [],
    });
    info["services"] = services;
    info
}

/// A service with one action, as it stands in INFO.
pub(crate) fn service(name: &str, action: &str) -> Value {
    let full = format!("{name}.{action}");
    json!([{
        "name": name, "fullName": name, "settings": {}, "metadata": {}, "events": {},
        "actions": { &full: { "name": full, "rawName": action } },
    }])
}
