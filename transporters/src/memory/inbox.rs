//! The reader of a node's queue.

use async_trait::async_trait;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Sleep;

use super::port::{Port, Taken};
use crate::{Frame, Source};

/// The number of frames that are taken at once.
const BATCH: usize = 256;

/// The reader's end of a port. Dropping it removes the node, because nobody would read its frames.
pub(crate) struct Inbox {
    port: Arc<Port>,
    /// Made when a frame is delayed for the first time.
    timer: Option<Pin<Box<Sleep>>>,
    busy: bool,
}

impl Inbox {
    pub(crate) fn new(port: Arc<Port>) -> Self {
        Self { port, timer: None, busy: false }
    }

    fn poll_take(&mut self, batch: &mut Vec<Frame>, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            let due = match self.port.take(batch, BATCH, context.waker()) {
                Taken::Some => return Poll::Ready(true),
                Taken::Gone => return Poll::Ready(false),
                Taken::Nothing { due: None } => return Poll::Pending,
                Taken::Nothing { due: Some(due) } => due,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

#[async_trait]
impl Source for Inbox {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        // A queue that is never empty must not occupy the thread.
        if std::mem::take(&mut self.busy) {
            tokio::task::yield_now().await;
        } else {
            tokio::task::coop::consume_budget().await;
        }
        let more = poll_fn(|context| self.poll_take(batch, context)).await;
        self.busy = batch.len() >= BATCH;
        more
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.port.leave();
    }
}
