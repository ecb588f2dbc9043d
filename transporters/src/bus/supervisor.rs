//! Keeps a session with one of the servers open for as long as the node lives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

use super::connection_state::ConnectionState;
use super::outbox::tokens;
use super::{Client, Parcel, Port, Session};
use crate::backoff::Backoff;
use crate::{TransportError, Up};

/// A session that lasted this long resets the backoff, so that the wait for the next one is short.
const LASTED: Duration = Duration::from_secs(5);

/// A session and what belongs to it. Dropping it ends the session's tasks.
pub(super) struct Live<S> {
    session: Arc<S>,
    since: Instant,
    _tasks: Tasks,
}

/// Ends the tasks of a session, even if the session is still being opened.
struct Tasks(Port);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<S: Session> Live<S> {
    /// Opens a session within `connect_timeout`.
    pub(super) async fn open<C: Client<Session = S>>(
        shared: &ConnectionState<C>,
        server: usize,
    ) -> Result<Self, TransportError> {
        let accepted = shared.outbox.accepted();
        let tasks = Tasks(Port::new(shared.link.clone(), shared.limits.clone(), accepted));
        let limit = shared.limits.connect_timeout;
        match timeout(limit, shared.client.open(server, &tasks.0)).await {
            Ok(session) => Ok(Self { session: Arc::new(session?), since: Instant::now(), _tasks: tasks }),
            Err(_) => {
                let late = format!("no answer within {limit:?}");
                Err(TransportError::connect(shared.client.server(server), late))
            }
        }
    }

    /// Publishes frames through this session from now on.
    pub(super) fn begin<C: Client<Session = S, Topic = S::Topic>>(&self, shared: &ConnectionState<C>) {
        shared.set_session(Some(Arc::clone(&self.session)));
        let session = Arc::clone(&self.session);
        let max_frame = session.max_frame();
        shared.outbox.open(max_frame, Box::new(move |parcel| session.publish_now(parcel)));
    }
}

/// How a session ended, or how its normal work ended.
enum End {
    Lost(TransportError),
    /// The session goes on, but no longer brings everything that was subscribed to.
    Deaf(TransportError),
    Closing,
}

/// Publishes frames, and replaces a session that is lost, until the connection is closed. An error says why
/// frames that had been accepted could not be sent.
pub(super) async fn run<C: Client>(
    shared: &ConnectionState<C>,
    mut live: Live<C::Session>,
    mut server: usize,
) -> Result<(), String> {
    let mut backoff = Backoff::default();
    loop {
        let mut batch = VecDeque::new();
        let mut end = serve(shared, &live, &mut batch, live.session.deaf()).await;
        let deaf = matches!(end, End::Deaf(_));
        if let End::Deaf(why) = end {
            end = take_leave(shared, &live, &mut batch, why).await;
        }
        let why = match end {
            End::Closing => return finish(shared, live, batch).await,
            End::Lost(why) | End::Deaf(why) => why,
        };
        if live.since.elapsed() >= LASTED {
            backoff.reset();
        }
        give_up(shared, live, batch, &why);
        // The other nodes already know that this node does not receive everything.
        let mut told = deaf;
        live = loop {
            tokio::select! {
                () = shared.closing.cancelled() => return Ok(()),
                () = sleep(backoff.next_wait()) => {}
            }
            server = (server + 1) % shared.client.servers().max(1);
            let reopened = tokio::select! {
                () = shared.closing.cancelled() => return Ok(()),
                reopened = reopen(shared, server) => reopened,
            };
            match reopened {
                Ok(live) => break live,
                Err((Some(deaf), why)) if !std::mem::replace(&mut told, true) => {
                    deaf.begin(shared);
                    let mut batch = VecDeque::new();
                    match take_leave(shared, &deaf, &mut batch, why).await {
                        End::Closing => return finish(shared, deaf, batch).await,
                        End::Lost(why) | End::Deaf(why) => give_up(shared, deaf, batch, &why),
                    }
                }
                Err((_, why)) => tracing::debug!(error = %why, "not connected again yet"),
            }
        };
    }
}

/// Throws a session away, together with everything that waits for it.
fn give_up<C: Client>(
    shared: &ConnectionState<C>,
    live: Live<C::Session>,
    batch: VecDeque<Parcel<C::Topic>>,
    why: &TransportError,
) {
    shared.outbox.shut();
    shared.set_session(None);
    // Report the loss before calls fail, so that no caller finds the connection still up.
    shared.link.down(why);
    let mut unsent = tokens(batch);
    unsent.extend(shared.outbox.clear());
    shared.link.unsent(&unsent);
    drop(live);
}

/// Lets the node take its leave over a session that no longer brings everything that was subscribed to. The
/// node tells the others not to count on it, and answers the requests that it has begun. It has half of
/// `close_timeout` for this.
async fn take_leave<C: Client>(
    shared: &ConnectionState<C>,
    live: &Live<C::Session>,
    batch: &mut VecDeque<Parcel<C::Topic>>,
    why: TransportError,
) -> End {
    shared.link.deaf(&why);
    let leaving = serve(shared, live, batch, std::future::pending());
    timeout(shared.limits.close_timeout / 2, leaving).await.unwrap_or(End::Deaf(why))
}

/// Opens a session, restores the subscriptions in it and puts it to work.
///
/// # Errors
/// Why there is no session. If the server refuses a subscription, the error comes with the session, which
/// still works.
async fn reopen<C: Client>(
    shared: &ConnectionState<C>,
    server: usize,
) -> Result<Live<C::Session>, (Option<Live<C::Session>>, TransportError)> {
    let live = Live::open(shared, server).await.map_err(|why| (None, why))?;
    // The lock is held until the session is in place. Later subscriptions are made in the new session.
    let wanted = shared.wanted.lock().await;
    if !wanted.is_empty() {
        let limit = shared.limits.connect_timeout;
        let restored = timeout(limit, live.session.subscribe(&wanted)).await;
        let late = |_| TransportError::Lost(format!("subscriptions were not restored within {limit:?}"));
        if let Err(why) = restored.map_err(late).flatten() {
            shared.link.refused(&why);
            let stands = matches!(why, TransportError::Subscribe { .. });
            return Err((stands.then_some(live), why));
        }
    }
    live.begin(shared);
    drop(wanted);
    shared.link.up(Up::Again);
    Ok(live)
}

/// Publishes until the session or the connection ends, or until the session no longer receives everything.
/// `batch` then holds what was taken out of the outbox and not handed over.
async fn serve<C: Client>(
    shared: &ConnectionState<C>,
    live: &Live<C::Session>,
    batch: &mut VecDeque<Parcel<C::Topic>>,
    deaf: impl Future<Output = TransportError>,
) -> End {
    let (mut lost, mut deaf) = (std::pin::pin!(live.session.lost()), std::pin::pin!(deaf));
    loop {
        tokio::select! {
            biased;
            why = &mut lost => return End::Lost(why),
            why = &mut deaf => return End::Deaf(why),
            () = shared.closing.cancelled() => return End::Closing,
            expired = shared.outbox.take(batch) => shared.link.unsent(&expired),
        }
        // Closing does not interrupt a publish. Nobody would know whether it had happened.
        tokio::select! {
            biased;
            why = &mut lost => return End::Lost(why),
            published = publish(shared, &live.session, batch) => match published {
                Ok(()) => {}
                Err(why) => return End::Lost(why),
            },
        }
    }
}

/// Hands a batch over. Fails if the server stands still for too long.
async fn publish<C: Client>(
    shared: &ConnectionState<C>,
    session: &C::Session,
    batch: &mut VecDeque<Parcel<C::Topic>>,
) -> Result<(), TransportError> {
    let limit = shared.limits.write_timeout;
    loop {
        let (frames, bytes) = measure(batch);
        let published = timeout(limit, session.publish(batch)).await;
        let (left, left_bytes) = measure(batch);
        shared.outbox.handed_over(frames - left, bytes - left_bytes);
        match published {
            Ok(published) => return published,
            // The server has said that it is there, and what waits longer than its time is bounded.
            Err(_) if session.held_back() && !shared.closing.is_cancelled() => {}
            Err(_) => {
                let why = format!("the server did not take a batch within {limit:?}");
                return Err(TransportError::Lost(why));
            }
        }
    }
}

fn measure<T>(batch: &VecDeque<Parcel<T>>) -> (usize, usize) {
    (batch.len(), batch.iter().map(|parcel| parcel.payload.len()).sum())
}

/// Publishes what still waits and disconnects, within `close_timeout`.
async fn finish<C: Client>(
    shared: &ConnectionState<C>,
    live: Live<C::Session>,
    mut batch: VecDeque<Parcel<C::Topic>>,
) -> Result<(), String> {
    shared.outbox.shut();
    let closing = async {
        loop {
            publish(shared, &live.session, &mut batch).await?;
            match shared.outbox.try_take(&mut batch) {
                Some(expired) => shared.link.unsent(&expired),
                None => break,
            }
        }
        live.session.close().await
    };
    let limit = shared.limits.close_timeout;
    let result = match timeout(limit, closing).await {
        Ok(result) => result.map_err(|why| why.to_string()),
        Err(_) => Err(format!("not everything was published within {limit:?}")),
    };
    shared.set_session(None);
    let mut unsent = tokens(batch);
    unsent.extend(shared.outbox.clear());
    shared.link.unsent(&unsent);
    result
}
