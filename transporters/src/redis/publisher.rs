//! Publishes the frames of a session. Batches are sent as pipelines, and a few of them may be without an
//! answer at a time.

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

/// The number of pipelines that may be without an answer, if each has one unit of bytes. Larger ones count
/// more.
const WINDOW: u32 = 32;
const UNIT: usize = 32 * 1024;
/// Bytes of a pipeline, unless a single frame is larger.
const PIPELINE_BYTES: usize = 8 * UNIT;
/// The size of `*3\r\n$7\r\nPUBLISH\r\n` and of the lengths of a channel and a payload.
const COMMAND: usize = 64;

/// See the module.
pub(super) struct Publisher {
    line: Line,
    window: Arc<Semaphore>,
    sent: mpsc::Sender<Sent>,
}

/// A pipeline that waits for its answers.
struct Sent {
    answers: BoxFuture<'static, Result<Vec<Value>, RedisError>>,
    /// The channel and the token of each frame, in case the server refuses it.
    frames: Vec<(Arc<str>, u64)>,
    _room: OwnedSemaphorePermit,
}

impl Publisher {
    pub(super) fn start(line: Line, end: End, port: &Port) -> Self {
        // This channel is never full, because it has room for a whole window.
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

    /// Hands parcels over. Waits while too much is without an answer.
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
        // After an error the connection is gone, and the parcel is still here.
        self.hand_over(pipeline, frames, room).is_err().then_some(parcel)
    }

    /// # Errors
    /// If the connection is gone. Nothing was handed over then.
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
        // The first poll hands the pipeline over, because there is more room than the window is wide. It must
        // do so regardless of this task's budget, or the next pipeline could overtake it. Another task waits
        // for the answers.
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
        // An error means that the window is closed, which never happens.
        let _ = self.window.acquire_many(WINDOW).await;
    }
}

/// The number of parcels in the next pipeline, and their bytes.
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

/// Handles the answers.
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
