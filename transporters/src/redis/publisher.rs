//! What a session publishes: batches go out as pipelines, a few of them at a time without an answer.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::task::noop_waker_ref;
use redis::{Cmd, Pipeline, RedisError, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::unconstrained;

use super::end::End;
use super::line::Line;
use crate::bus::{Parcel, Port};
use crate::{Link, TransportError};

/// Pipelines without an answer: so many of one unit of bytes, fewer of larger ones.
const WINDOW: u32 = 32;
const UNIT: usize = 32 * 1024;
/// Bytes of a pipeline, unless a single frame has more.
const PIPELINE_BYTES: usize = 8 * UNIT;
/// `*3\r\n$7\r\nPUBLISH\r\n` and the lengths of a channel and a payload.
const COMMAND: usize = 64;

/// See the module.
pub(super) struct Publisher {
    line: Line,
    window: Arc<Semaphore>,
    sent: mpsc::Sender<Sent>,
}

/// A pipeline on its way.
struct Sent {
    answers: BoxFuture<'static, Result<Vec<Value>, RedisError>>,
    /// What it publishes where, for what the server refuses.
    frames: Vec<(Arc<str>, u64)>,
    _room: OwnedSemaphorePermit,
}

impl Publisher {
    pub(super) fn start(line: Line, end: End, port: &Port) -> Self {
        // Never full: it holds as many as the window does.
        let (sent, mut sending) = mpsc::channel::<Sent>(WINDOW as usize);
        let answers = Answers { line: line.clone(), link: port.link().clone() };
        port.spawn(async move {
            while let Some(sent) = sending.recv().await {
                if let Err(why) = answers.to(sent).await {
                    return end.with(why);
                }
            }
        });
        Self { line, window: Arc::new(Semaphore::new(WINDOW as usize)), sent }
    }

    /// Hands parcels over; waits while too much is without an answer.
    pub(super) async fn publish(
        &self,
        parcels: &mut VecDeque<Parcel<Arc<str>>>,
    ) -> Result<(), TransportError> {
        while !parcels.is_empty() {
            let gone = |_| TransportError::Lost("the connection that publishes is closed".to_owned());
            let (count, bytes) = measure(parcels);
            let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(WINDOW).min(WINDOW);
            let room = Arc::clone(&self.window).acquire_many_owned(units).await.map_err(gone)?;
            let mut pipeline = Pipeline::with_capacity(count);
            let mut frames = Vec::with_capacity(count);
            for parcel in parcels.drain(..count) {
                pipeline.add_command(command(&parcel.topic, &parcel.payload));
                frames.push((parcel.topic, parcel.token));
            }
            self.hand_over(pipeline, frames, room)?;
        }
        Ok(())
    }

    /// Hands one parcel over if there is room for it.
    pub(super) fn publish_now(&self, parcel: Parcel<Arc<str>>) -> Option<Parcel<Arc<str>>> {
        if parcel.payload.len() > UNIT - COMMAND {
            return Some(parcel);
        }
        let Ok(room) = Arc::clone(&self.window).try_acquire_owned() else { return Some(parcel) };
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command(&parcel.topic, &parcel.payload));
        let frames = vec![(Arc::clone(&parcel.topic), parcel.token)];
        // An error says that the connection is gone, and the parcel still here.
        self.hand_over(pipeline, frames, room).is_err().then_some(parcel)
    }

    /// # Errors
    /// The connection is gone, and nothing was handed over.
    fn hand_over(
        &self,
        pipeline: Pipeline,
        frames: Vec<(Arc<str>, u64)>,
        room: OwnedSemaphorePermit,
    ) -> Result<(), TransportError> {
        let gone = |_| TransportError::Lost("the connection that publishes is closed".to_owned());
        let place = self.sent.try_reserve().map_err(gone)?;
        let mut connection = self.line.connection();
        let publishing = async move { connection.send_packed_commands(&pipeline, 0, pipeline.len()).await };
        // The first look hands it over, for there is more room than the window is wide; and it has to,
        // whatever this task has done in its turn, or the next one could overtake it. Who waits for the
        // answers is somebody else.
        let mut answers = unconstrained(publishing).boxed();
        let answers = match answers.poll_unpin(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(answers) => {
                std::future::ready(Ok(answers.map_err(|why| self.line.lost(&why))?)).boxed()
            }
            Poll::Pending => answers,
        };
        place.send(Sent { answers, frames, _room: room });
        Ok(())
    }

    /// Resolves once the server has answered everything.
    pub(super) async fn settled(&self) {
        // An error says that it is closed, which nobody does.
        let _ = self.window.acquire_many(WINDOW).await;
    }
}

/// How many of these make the next pipeline, and their bytes.
fn measure<T>(parcels: &VecDeque<Parcel<T>>) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for parcel in parcels {
        if bytes >= PIPELINE_BYTES {
            break;
        }
        count += 1;
        bytes += parcel.payload.len() + COMMAND;
    }
    (count, bytes)
}

fn command(channel: &str, payload: &Bytes) -> Cmd {
    let mut command = Cmd::with_capacity(3, channel.len() + payload.len() + COMMAND);
    command.arg("PUBLISH").arg(channel).arg(&payload[..]);
    command
}

/// Looks at the answers.
struct Answers {
    line: Line,
    link: Link,
}

impl Answers {
    async fn to(&self, sent: Sent) -> Result<(), TransportError> {
        let answers = self.line.patient(sent.answers).await.map_err(|why| self.line.lost(&why))?;
        for (answer, (channel, token)) in answers.into_iter().zip(sent.frames) {
            if let Value::ServerError(why) = answer {
                if token != 0 {
                    self.link.unsent(&[token]);
                }
                self.link.refused(&TransportError::refused(&*channel, RedisError::from(why)));
            }
        }
        Ok(())
    }
}
