//! A bounded queue between a client library that must never wait, and the reader of a node.

use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

use super::BusLimits;
use super::intake::{Fill, Verdict, verdict};
use crate::locks::Mutex;
use crate::{Frame, Link, Source};

/// Frames that are taken at once.
const BATCH: usize = 512;

#[derive(Debug)]
struct InboxState {
    link: Link,
    limits: BusLimits,
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    ended: bool,
}

/// The end that frames are put into. The reader ends once every clone of it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Pump(Arc<Closer>);

#[derive(Debug)]
struct Closer(Arc<InboxState>);

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Inbox(Arc<InboxState>);

pub(super) fn pair(link: Link, limits: &BusLimits) -> (Pump, Inbox) {
    let shared =
        Arc::new(InboxState { link, limits: limits.clone(), queue: Mutex::default(), filled: Notify::new() });
    (Pump(Arc::new(Closer(Arc::clone(&shared)))), Inbox(shared))
}

impl Pump {
    /// Puts frames into the queue in order, as far as the bounds allow. Never waits.
    pub(crate) fn push(&self, frames: impl IntoIterator<Item = Frame>) {
        let shared = &self.0.0;
        let mut queue = shared.queue.lock();
        for mut frame in frames {
            let fill = Fill { frames: queue.frames.len(), bytes: queue.bytes };
            match verdict(frame.kind, fill, &shared.limits) {
                Verdict::Take => {}
                Verdict::Shed => frame.shed = true,
                Verdict::Drop => {
                    shared.link.dropped(frame.kind);
                    continue;
                }
            }
            queue.bytes += frame.payload.len();
            queue.frames.push_back(frame);
        }
        drop(queue);
        shared.filled.notify_one();
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.queue.lock().ended = true;
        self.0.filled.notify_one();
    }
}

#[async_trait]
impl Source for Inbox {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        loop {
            {
                let mut queue = self.0.queue.lock();
                if !queue.frames.is_empty() {
                    let count = queue.frames.len().min(BATCH);
                    let taken = batch.len();
                    batch.extend(queue.frames.drain(..count));
                    let bytes: usize = batch[taken..].iter().map(|frame| frame.payload.len()).sum();
                    queue.bytes = queue.bytes.saturating_sub(bytes);
                    break;
                }
                if queue.ended {
                    return false;
                }
            }
            self.0.filled.notified().await;
        }
        // Give other tasks a turn, even if the queue is never empty.
        tokio::task::coop::consume_budget().await;
        true
    }
}
