//! Accepts inbound connections, and gives them to the lanes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::entrance::{Crowded, Entrance};
use super::net;
use super::reader::Inbound;
use crate::Link;

/// The pause before accepting again if the operating system has no more file descriptors or memory.
const BREATHER: Duration = Duration::from_millis(100);

/// Accepts until `stop`. The port is free when this has returned.
pub(crate) async fn accept(
    listener: TcpListener,
    entrance: Arc<Entrance>,
    link: Link,
    stop: CancellationToken,
    _alive: TaskTrackerToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => enter(stream, peer, &entrance, &link),
            // These errors concern one connection, which is gone. The next one may succeed.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                entrance.stats().accept_errors.add();
                tracing::debug!(%error, "cannot accept connections, waiting a moment");
                tokio::select! {
                    () = tokio::time::sleep(BREATHER) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

fn enter(stream: TcpStream, peer: SocketAddr, entrance: &Arc<Entrance>, link: &Link) {
    match entrance.admit(peer.ip()) {
        Ok(ticket) => {
            entrance.stats().accepted.add();
            net::tune(&stream);
            link.read(Inbound::new(stream, peer, Arc::clone(entrance), ticket));
        }
        Err(crowded) => {
            match crowded {
                Crowded::Total => entrance.stats().refused_total.add(),
                Crowded::Address => entrance.stats().refused_per_address.add(),
            }
            tracing::debug!(%peer, ?crowded, "inbound connection refused, too many are open");
        }
    }
}
