//! The floor of the in-memory network: a bounded channel to a task, and one back for each call.
//!
//! It passes references, so the cost does not depend on the size of a body. The table says so below its rows.

use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

use super::{NODES, body};
use crate::closed_loop::{self, WINDOW};
use crate::figures::Figures;
use crate::load::Load;

enum Message {
    Call(Bytes, oneshot::Sender<Bytes>),
    Event(Bytes),
    /// Asks how many events have arrived since the last time.
    Seen(oneshot::Sender<u64>),
}

pub(crate) struct Client {
    nodes: Vec<mpsc::Sender<Message>>,
}

fn gone<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Client {
    pub(super) fn start() -> Self {
        let node = || {
            let (to_node, mut messages) = mpsc::channel(1024);
            tokio::spawn(async move {
                let mut seen = 0;
                while let Some(message) = messages.recv().await {
                    // A caller that does not wait any more needs no answer.
                    match message {
                        Message::Call(body, answer) => drop(answer.send(body)),
                        Message::Event(body) => {
                            drop(body);
                            seen += 1;
                        }
                        Message::Seen(answer) => drop(answer.send(std::mem::take(&mut seen))),
                    }
                }
            });
            to_node
        };
        Self { nodes: (0..NODES).map(|_| node()).collect() }
    }

    pub(super) async fn run(&self, load: Load, time: Duration) -> io::Result<Figures> {
        match load {
            Load::Calls { size, concurrency } => {
                let (node, body) = (self.nodes[0].clone(), body(size));
                let call = move || {
                    let (node, body) = (node.clone(), body.clone());
                    async move {
                        let (answer, answered) = oneshot::channel();
                        node.send(Message::Call(body, answer)).await.map_err(gone)?;
                        answered.await.map(drop).map_err(gone)
                    }
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
                                node.send(Message::Event(body.clone())).await.map_err(gone)?;
                            }
                        }
                        let mut seen = 0;
                        for node in &nodes {
                            let (answer, answered) = oneshot::channel();
                            node.send(Message::Seen(answer)).await.map_err(gone)?;
                            seen += answered.await.map_err(gone)?;
                        }
                        Ok(seen)
                    }
                };
                closed_loop::events(window, time).await
            }
        }
    }
}
