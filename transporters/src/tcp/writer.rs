//! The task of one outgoing connection: it connects, identifies this node, and writes the frames in the
//! outbox.
//!
//! On a multi-threaded runtime it yields once before it takes frames, while that is useful (`pace`). Nothing
//! is ever read from an outgoing connection, because answers arrive on the peer's own connection. But its end
//! is watched, because it shows that the peer has stopped.

use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::chunk::{Chunk, SLICES};
use super::net;
use super::outbox::{Outbox, Refused, Waiting};
use super::pace::Pace;
use super::pool::{End, Peer, Pool};
use crate::{Name, NodeId, PacketKind, SendError, TransportError, WriteFrame};

/// Gives a frame to the writer of the peer's connection. Starts a writer if there is none and `addr` is
/// known.
pub(crate) fn send(
    pool: &Arc<Pool>,
    id: &NodeId,
    addr: Option<&Name>,
    kind: PacketKind,
    token: u64,
    write: &mut WriteFrame<'_>,
) -> Result<(), SendError> {
    loop {
        let (peer, is_new) = match pool.peer(id) {
            Some(peer) => (peer, false),
            None => pool.add(id, addr.ok_or(SendError::NoRoute)?)?,
        };
        // Launched only when the frame is in the outbox. Otherwise a peer that refuses at once would be
        // removed before the frame is encoded, and so would the next one.
        let launch = is_new.then(|| Launch(pool, &peer));
        let pushed = peer.outbox.push(kind, token, write);
        drop(launch);
        match pushed {
            Ok(()) => return Ok(()),
            Err(Refused::Send(error)) => return Err(error),
            // Its connection has just ended. A new one replaces it.
            Err(Refused::Gone) => pool.forget(&peer),
        }
    }
}

/// Starts the writer of a new peer when it is dropped, even if encoding the first frame panics.
struct Launch<'a>(&'a Arc<Pool>, &'a Arc<Peer>);

impl Drop for Launch<'_> {
    fn drop(&mut self) {
        let (pool, peer) = (Arc::clone(self.0), Arc::clone(self.1));
        self.0.launch(|alive| run(pool, peer, alive));
    }
}

/// Runs until the connection ends. The pool then accounts for everything that was not written.
///
/// `_alive` tells the pool that this writer has not ended.
async fn run(pool: Arc<Pool>, peer: Arc<Peer>, _alive: TaskTrackerToken) {
    let mut chunk = Chunk::default();
    let end = tokio::select! {
        biased;
        () = pool.aborted() => End::Aborted,
        result = drive(&pool, &peer, &mut chunk) => result.map_or_else(End::Lost, |()| End::Closed),
    };
    pool.ended(&peer, &mut chunk, end);
}

async fn drive(pool: &Arc<Pool>, peer: &Arc<Peer>, chunk: &mut Chunk) -> Result<(), TransportError> {
    let stream = connect(pool, peer).await?;
    let broken = |error: io::Error| TransportError::Lost(format!("{} at {}: {error}", peer.id, peer.addr));
    let patience = pool.options().write_timeout;
    pool.connected(peer);
    if let Some(hello) = pool.hello(&peer.id) {
        *chunk = hello;
        peer.outbox.charge(chunk);
        flush(&stream, chunk, &peer.outbox, patience).await.map_err(broken)?;
    }
    let mut pace = Pace::default();
    loop {
        let frames = match peer.outbox.waiting() {
            Waiting::Frames(frames) => frames,
            Waiting::Nothing => {
                pool.trim();
                tokio::select! {
                    biased;
                    () = peer.outbox.woken() => {}
                    error = closed_by_peer(&stream) => return Err(broken(error)),
                }
                continue;
            }
            Waiting::Closed => return Ok(()),
        };
        let yields = pool.is_multi_threaded() && pace.should_yield();
        if yields {
            tokio::task::yield_now().await;
        }
        if peer.outbox.take(chunk) {
            peer.use_now(pool);
        }
        if yields {
            pace.yielded(frames, chunk.frames());
        }
        flush(&stream, chunk, &peer.outbox, patience).await.map_err(broken)?;
        // Under load, the `select!` above may never run. This check costs one atomic load.
        if let Some(error) = has_ended(&stream) {
            return Err(broken(error));
        }
    }
}

async fn connect(pool: &Pool, peer: &Peer) -> Result<TcpStream, TransportError> {
    let failed = |error: io::Error| TransportError::connect(peer.addr.as_str(), error);
    let (host, port) = net::host_and_port(&peer.addr).ok_or_else(|| {
        failed(io::Error::new(io::ErrorKind::InvalidInput, "the address is not `host:port`"))
    })?;
    let limit = pool.options().connect_timeout;
    let stream = match timeout(limit, net::dial(host, port, pool.options().bind)).await {
        Ok(result) => result.map_err(failed)?,
        Err(_) => return Err(failed(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))),
    };
    net::tune(&stream);
    net::limit_unacknowledged(&stream, pool.options().write_timeout);
    Ok(stream)
}

/// Writes the whole chunk. `patience` is how long not a single byte may be written.
async fn flush(stream: &TcpStream, chunk: &mut Chunk, outbox: &Outbox, patience: Duration) -> io::Result<()> {
    let mut deadline = None;
    while !chunk.is_done() {
        let written = {
            let mut slices = [io::IoSlice::new(&[]); SLICES];
            match chunk.slices(&mut slices) {
                1 => stream.try_write(&slices[0]),
                used => stream.try_write_vectored(&slices[..used]),
            }
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                let frames = chunk.advance(bytes);
                outbox.written(bytes, frames);
                deadline = None;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                tokio::select! {
                    ready = timeout_at(deadline, stream.writable()) => match ready {
                        Ok(ready) => ready?,
                        Err(_) => {
                            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no more bytes"));
                        }
                    },
                    error = closed_by_peer(stream) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the peer has closed the connection. What it sends is discarded.
async fn closed_by_peer(stream: &TcpStream) -> io::Error {
    loop {
        if let Err(error) = stream.readable().await {
            return error;
        }
        if let Some(error) = has_ended(stream) {
            return error;
        }
        // A peer that sends much must not occupy this task and its thread.
        tokio::task::yield_now().await;
    }
}

fn has_ended(stream: &TcpStream) -> Option<io::Error> {
    let mut unwanted = [0; 1024];
    match stream.try_read(&mut unwanted) {
        Ok(0) => Some(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed the connection")),
        Ok(_) => None,
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => None,
            _ => Some(error),
        },
    }
}
