//! Readers: tasks that take frames from a source and handle them in place.
//!
//!
//! The task that reads a batch also handles it, which saves a wake-up and a task switch for each frame. But a
//! handler that blocks its thread would also block the reader. So the frames that were read are in a queue of
//! the lane, the source is behind a lock that is not held while frames are handled, and a watchdog on another
//! thread starts a second task if a lane makes no progress. When the handler returns, the first task notices
//! this and ends.

use async_trait::async_trait;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

use crate::locks::Mutex;
use crate::{Frame, Link};

/// The source of a reader's frames.
#[async_trait]
pub trait Source: Send + 'static {
    /// Waits for frames and appends them to `batch`: all that are available, and at least one. `false` ends
    /// the reader after the frames in `batch` have been handled.
    ///
    /// # Cancel safety
    /// It is called again only after it has returned. Its future is dropped early only if the link closes.
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool;
}

/// Frames to handle: first the control packets, then the others in the order of their arrival.
pub struct Batch<'a> {
    lane: &'a Lane,
    generation: u64,
}

impl Batch<'_> {
    /// The next frame. `None` if there is none left, or if another task has taken over because the previous
    /// frame was held for too long.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator adaptor would hide that frames are taken one by one"
    )]
    pub fn next(&mut self) -> Option<Frame> {
        let mut queue = self.lane.queue.lock();
        if self.lane.generation.load(Ordering::Relaxed) != self.generation {
            return None;
        }
        self.lane.progress.fetch_add(1, Ordering::Relaxed);
        queue.control.pop_front().or_else(|| queue.data.pop_front())
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    control: VecDeque<Frame>,
    data: VecDeque<Frame>,
}

struct Lane {
    source: tokio::sync::Mutex<Box<dyn Source>>,
    queue: Mutex<Queue>,
    /// The number of the reader that is active. Older readers have been relieved.
    generation: AtomicU64,
    /// The number of frames taken so far. It does not change while a frame is being handled.
    progress: AtomicU64,
    busy: AtomicBool,
    /// The source has ended.
    ended: AtomicBool,
}

impl Lane {
    fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.control.is_empty() && queue.data.is_empty()
    }

    fn push(&self, frames: &mut Vec<Frame>) {
        let mut queue = self.queue.lock();
        for frame in frames.drain(..) {
            if frame.kind.is_control() { queue.control.push_back(frame) } else { queue.data.push_back(frame) }
        }
    }
}

/// Reads and handles frames, until the source ends or another reader takes over.
async fn run(lane: Arc<Lane>, link: Link, lanes: Arc<Lanes>, generation: u64) {
    let current = || lane.generation.load(Ordering::Relaxed) == generation;
    let mut frames = Vec::new();
    while current() {
        let more = if lane.is_empty() {
            lane.busy.store(false, Ordering::SeqCst);
            let mut source = lane.source.lock().await;
            if !current() {
                return;
            }
            if !lane.is_empty() {
                // The previous reader has left some frames.
                continue;
            }
            if lane.ended.load(Ordering::Relaxed) {
                return;
            }
            let more = source.next(&mut frames).await;
            lane.ended.store(!more, Ordering::Relaxed);
            lane.push(&mut frames);
            more
        } else {
            true
        };
        if !current() {
            return;
        }
        lane.busy.store(true, Ordering::SeqCst);
        lanes.wake();
        loop {
            link.sink().deliver(&mut Batch { lane: &lane, generation });
            if !current() {
                return;
            }
            if lane.is_empty() {
                break;
            }
            // Lets the writers send the answers so far.
            tokio::task::yield_now().await;
        }
        if !more {
            return;
        }
    }
}

/// All lanes of a link, for the watchdog.
pub(crate) struct Lanes {
    patience: Duration,
    watched: Mutex<Vec<Watched>>,
    asleep: AtomicBool,
    awake: Notify,
}

struct Watched {
    lane: Weak<Lane>,
    link: Link,
    seen: Option<u64>,
}

/// The watchdog goes to sleep after this many ticks without a busy lane.
const IDLE_TICKS: u32 = 200;

impl Lanes {
    pub(crate) fn new(patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            patience,
            watched: Mutex::default(),
            asleep: AtomicBool::new(false),
            awake: Notify::new(),
        })
    }

    pub(crate) fn start(self: &Arc<Self>, link: &Link, source: Box<dyn Source>) {
        let lane = Arc::new(Lane {
            source: tokio::sync::Mutex::new(source),
            queue: Mutex::default(),
            generation: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let mut watched = self.watched.lock();
        watched.retain(|watched| watched.lane.strong_count() > 0);
        watched.push(Watched { lane: Arc::downgrade(&lane), link: link.clone(), seen: None });
        drop(watched);
        link.spawn(run(lane, link.clone(), Arc::clone(self), 0));
    }

    /// Removes all lanes. Each entry holds the link, which holds this.
    pub(crate) fn forget(&self) {
        self.watched.lock().clear();
    }

    /// A lane calls this before it gets busy. It costs one load while the watchdog is awake.
    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.awake.notify_one();
        }
    }

    /// Checks every lane once per patience while there is traffic.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut idle = 0;
        loop {
            if idle >= IDLE_TICKS {
                self.asleep.store(true, Ordering::SeqCst);
                // A lane that became busy before this was stored is found now.
                if !self.look() {
                    self.awake.notified().await;
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
            tokio::time::sleep(self.patience).await;
            if self.look() { idle = 0 } else { idle += 1 }
        }
    }

    /// Relieves the lanes that have made no progress since the last check. Returns whether any lane is busy.
    fn look(self: &Arc<Self>) -> bool {
        let mut any = false;
        let mut watched = self.watched.lock();
        watched.retain_mut(|watched| {
            let Some(lane) = watched.lane.upgrade() else { return false };
            if !lane.busy.load(Ordering::SeqCst) {
                watched.seen = None;
                return true;
            }
            any = true;
            let progress = lane.progress.load(Ordering::Relaxed);
            if watched.seen.replace(progress) == Some(progress) {
                watched.seen = None;
                let generation = {
                    // Under the lock of the queue, so that the old reader takes no more frames.
                    let _queue = lane.queue.lock();
                    lane.generation.fetch_add(1, Ordering::Relaxed) + 1
                };
                tracing::debug!("a handler blocks its thread, another task reads on");
                watched.link.spawn(run(lane, watched.link.clone(), Arc::clone(self), generation));
            }
            true
        });
        any
    }
}
