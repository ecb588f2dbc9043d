//! The floor of TCP: frames with their length and a number in front, echoed over one connection.
//!
//! As in the TCP transporter, callers append to a shared buffer and wake a writer, which yields once and then
//! writes everything. The server writes its answers after it has handled what it has read.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::{NODES, body};
use crate::closed_loop::{self, WINDOW};
use crate::figures::Figures;
use crate::load::Load;

/// The number of a frame that is not answered.
const EVENT: u64 = 0;
const HEADER: usize = 12;
const READ: usize = 256 * 1024;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append(out: &mut BytesMut, number: u64, body: &[u8]) {
    out.reserve(HEADER + body.len());
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u64(number);
    out.put_slice(body);
}

/// Reads once, and passes on every complete frame. `false` at the end of the stream.
async fn read(
    stream: &mut OwnedReadHalf,
    buf: &mut BytesMut,
    mut frame: impl FnMut(u64, Bytes),
) -> io::Result<bool> {
    buf.reserve(READ);
    if stream.read_buf(buf).await? == 0 {
        return Ok(false);
    }
    while let Some(length) = buf.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        if buf.len() < HEADER + length {
            // A large frame is kept in one piece of memory.
            buf.reserve(HEADER + length - buf.len());
            break;
        }
        buf.advance(4);
        let number = buf.get_u64();
        frame(number, buf.split_to(length).freeze());
    }
    Ok(true)
}

pub(super) async fn serve(ports: &[u16]) -> io::Result<()> {
    for port in &ports[1..] {
        let listener = TcpListener::bind(("127.0.0.1", *port)).await?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
    }
    Ok(())
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = stream.into_split();
    let (mut buf, mut out) = (BytesMut::new(), BytesMut::new());
    let answer = |out: &mut BytesMut, number, body: &Bytes| {
        if number != EVENT {
            append(out, number, body);
        }
    };
    while read(&mut input, &mut buf, |number, body| answer(&mut out, number, &body)).await? {
        output.write_all_buf(&mut out).await?;
        out.clear();
    }
    Ok(())
}

struct Connection {
    out: Mutex<BytesMut>,
    wake: Notify,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Bytes>>>,
    number: AtomicU64,
}

impl Connection {
    async fn open(port: u16) -> io::Result<Arc<Self>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (mut input, mut output) = stream.into_split();
        let (out, wake, waiting) = (Mutex::default(), Notify::new(), Mutex::default());
        let connection = Arc::new(Self { out, wake, waiting, number: AtomicU64::new(EVENT + 1) });
        let writer = Arc::clone(&connection);
        tokio::spawn(async move {
            loop {
                if lock(&writer.out).is_empty() {
                    writer.wake.notified().await;
                    continue;
                }
                tokio::task::yield_now().await;
                let mut out = std::mem::take(&mut *lock(&writer.out));
                if output.write_all_buf(&mut out).await.is_err() {
                    return;
                }
            }
        });
        let reader = Arc::clone(&connection);
        tokio::spawn(async move {
            let mut buf = BytesMut::new();
            let answer = |number: u64, body: Bytes| {
                if let Some(waiting) = lock(&reader.waiting).remove(&number) {
                    // The caller may have stopped waiting.
                    let _ = waiting.send(body);
                }
            };
            while matches!(read(&mut input, &mut buf, answer).await, Ok(true)) {}
        });
        Ok(connection)
    }

    fn send(&self, number: u64, body: &[u8]) -> usize {
        let (first, length) = {
            let mut out = lock(&self.out);
            let first = out.is_empty();
            append(&mut out, number, body);
            (first, out.len())
        };
        if first {
            self.wake.notify_one();
        }
        length
    }

    async fn call(&self, body: &[u8]) -> io::Result<Bytes> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.waiting).insert(number, answer);
        self.send(number, body);
        answered.await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

pub(crate) struct Client {
    nodes: Vec<Arc<Connection>>,
}

impl Client {
    pub(super) async fn start(ports: &[u16]) -> io::Result<Self> {
        let mut nodes = Vec::new();
        for port in &ports[1..=NODES] {
            nodes.push(Connection::open(*port).await?);
        }
        Ok(Self { nodes })
    }

    pub(super) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        match load {
            Load::Calls { size, concurrency } => {
                let (node, body) = (Arc::clone(&self.nodes[0]), body(size));
                let call = move || {
                    let (node, body) = (Arc::clone(&node), body.clone());
                    async move { node.call(&body).await.map(drop) }
                };
                closed_loop::calls(call, concurrency, time).await
            }
            Load::Events { size, nodes } => {
                let (nodes, body) = (self.nodes[..nodes].to_vec(), body(size));
                let window = move || {
                    let (nodes, body) = (nodes.clone(), body.clone());
                    async move {
                        for _ in 0..WINDOW {
                            for node in &nodes {
                                node.send(EVENT, &body);
                            }
                        }
                        for node in &nodes {
                            node.call(b"").await?;
                        }
                        Ok((WINDOW * nodes.len()) as u64)
                    }
                };
                closed_loop::events(window, time).await
            }
        }
    }
}
