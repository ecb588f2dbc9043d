//! Takes frames directly from the connection that listens.
//!
//! The library hands each message to a function, at once and without a bound. So only the node's reader
//! drives the connection. What is not handled yet stays with the server. A socket that has more data is left
//! alone as soon as there is enough for one batch.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{PushInfo, PushKind, Value};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::end::End;
use super::stream::Stream;
use crate::bus::Intake;
use crate::locks::{Mutex, MutexGuard};
use crate::{Frame, Source, Topics, TransportError};

/// The number of frames that is enough for a batch.
const FRAMES: usize = 512;
/// Bytes that are taken from the socket at once.
const READ: usize = 64 * 1024;

/// The state that the socket, the library and the reader share.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    frames: Mutex<Vec<Frame>>,
    /// Bytes that were read since the last complete message.
    incomplete: AtomicUsize,
}

impl Arrivals {
    /// The function that the library calls for everything that is not an answer.
    pub(super) fn take_in(self: Arc<Self>, topics: Topics) -> impl Fn(PushInfo) + Send + Sync + 'static {
        move |push| {
            self.incomplete.store(0, Ordering::Relaxed);
            if push.kind == PushKind::Message
                && let Ok([Value::BulkString(channel), Value::BulkString(payload)]) =
                    <[Value; 2]>::try_from(push.data)
                && let Some(kind) = std::str::from_utf8(&channel).ok().and_then(|name| topics.kind_of(name))
            {
                self.frames().push(Frame::new(kind, Bytes::from(payload)));
            }
        }
    }

    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock()
    }
}

/// A socket that pauses when there is enough for a batch, and that ends before a packet that is too large.
pub(super) struct Gate {
    pub(super) stream: Box<dyn Stream>,
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) max_incoming: usize,
    /// The reason is kept here, because the library does not pass it on.
    pub(super) end: End,
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.arrivals.frames().len() >= FRAMES {
            // The reader takes the frames before it polls again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.arrivals.incomplete.load(Ordering::Relaxed) > self.max_incoming {
            let limit = self.max_incoming;
            let why = format!("a packet has more than {limit} bytes (maxIncomingPacketSize)");
            self.end.with(TransportError::Lost(why.clone()));
            return Poll::Ready(Err(io::Error::other(why)));
        }
        let mut room = ReadBuf::new(buf.initialize_unfilled_to(READ.min(buf.remaining())));
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        buf.advance(count);
        self.arrivals.incomplete.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Drives the connection, and ends with it.
pub(super) struct Reader {
    pub(super) driver: BoxFuture<'static, ()>,
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) intake: Intake,
    pub(super) over: watch::Sender<bool>,
    pub(super) ended: bool,
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        poll_fn(|cx| {
            if !self.ended && self.driver.as_mut().poll(cx).is_ready() {
                self.ended = true;
                self.over.send_replace(true);
            }
            let mut frames = self.arrivals.frames();
            if frames.is_empty() {
                return if self.ended { Poll::Ready(false) } else { Poll::Pending };
            }
            self.intake.begin();
            for frame in frames.drain(..) {
                self.intake.admit(frame, batch);
            }
            Poll::Ready(true)
        })
        .await
    }
}
