//! A connection with a NATS server.

use async_nats::{Client, Subject};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

use super::reader::{End, Reader, Stop, Tap};
use super::signals::{ECHO, Listening, Signals};
use super::subjects::Interest;
use crate::bus::{Parcel, Port, Session};
use crate::locks::{Mutex, MutexGuard};
use crate::{PacketKind, Subscription, TransportError};

/// The library reports errors through a task of its own. The task was woken before the echo arrived, and gets
/// this much time.
const AFTER_ECHO: Duration = Duration::from_millis(10);

/// Bytes that are handed over before a publisher waits for the library to write them.
const UNWRITTEN: usize = 256 * 1024;

pub(super) struct NatsSession {
    client: Client,
    port: Port,
    signals: Arc<Signals>,
    made: Mutex<HashMap<Subscription, Made>>,
    /// The number of subscriptions asked for so far. The library numbers them from 1.
    asked: AtomicU64,
    /// Bytes that were handed over since the library last wrote everything.
    unwritten: AtomicUsize,
}

struct Made {
    number: u64,
    subject: String,
    stop: Stop,
}

impl NatsSession {
    pub(super) fn new(client: Client, port: Port, signals: Arc<Signals>) -> Self {
        Self {
            client,
            port,
            signals,
            made: Mutex::default(),
            asked: AtomicU64::new(0),
            unwritten: AtomicUsize::new(0),
        }
    }

    fn made(&self) -> MutexGuard<'_, HashMap<Subscription, Made>> {
        self.made.lock()
    }

    async fn interest(&self, subscription: &Subscription) -> Result<(Tap, Made), TransportError> {
        let Interest { subject, queue } = Interest::of(self.port.link().topics(), subscription);
        let asked = match queue {
            Some(queue) => self.client.queue_subscribe(subject.clone(), queue).await,
            None => self.client.subscribe(subject.clone()).await,
        };
        let subscriber = asked.map_err(|why| TransportError::subscribe(&*subject, why))?;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let (tap, stop) = Tap::new(kind(subscription), subscriber);
        Ok((tap, Made { number, subject, stop }))
    }

    /// Waits until the server has done everything that it was asked to do before.
    async fn settled(&self, listening: &Listening<'_>) -> Result<(), TransportError> {
        let echo = format!("{}{ECHO}", self.client.new_inbox());
        let lost =
            |why: &dyn std::fmt::Display| TransportError::Lost(format!("no answer of the server: {why}"));
        let mut back = self.client.subscribe(echo.clone()).await.map_err(|why| lost(&why))?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.client.publish(echo.clone(), Bytes::new()).await.map_err(|why| lost(&why))?;
        tokio::select! {
            // A refusal is an answer too. The server refused the echo after everything else that it refused.
            () = listening.refused(&echo) => Ok(()),
            why = self.signals.over() => Err(why),
            message = back.next() => match message {
                Some(_) => Ok(()),
                None => Err(self.signals.over().await),
            },
        }
    }

    /// Ends subscriptions. Everything that the server sends until it knows of the end is still read, so that
    /// no message of a queue group is lost.
    async fn leave(&self, gone: &mut [Made], listening: &Listening<'_>) -> Result<(), TransportError> {
        join_all(gone.iter().map(|made| made.stop.end(End::Told))).await;
        self.settled(listening).await?;
        // Everything that the server sent before its answer has been taken.
        join_all(gone.iter_mut().map(async |made| {
            made.stop.end(End::Now).await;
            self.signals.unsubscribed(made.number);
            made.stop.ended().await;
        }))
        .await;
        Ok(())
    }

    /// Starts the readers: one for control packets, one for data of other nodes, one for their responses, and
    /// one per queue group.
    fn read(&self, made: Vec<(&Subscription, Tap)>) {
        let mut lanes: HashMap<Lane, Vec<Tap>> = HashMap::new();
        for (number, (subscription, tap)) in made.into_iter().enumerate() {
            let lane = match subscription {
                Subscription::Own(PacketKind::Event | PacketKind::Request) => Lane::Data,
                Subscription::Own(PacketKind::Response) => Lane::Answers,
                Subscription::Own(_) | Subscription::Broadcast(_) => Lane::Control,
                _ => Lane::Group(number),
            };
            lanes.entry(lane).or_default().push(tap);
        }
        for taps in lanes.into_values() {
            self.port.read(Reader::new(taps, self.port.intake()));
        }
    }
}

/// Groups of subscriptions. Those of one group are read one after the other.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Lane {
    Control,
    Data,
    Answers,
    Group(usize),
}

#[async_trait]
impl Session for NatsSession {
    type Topic = Subject;

    fn max_frame(&self) -> usize {
        self.client.max_payload()
    }

    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let listening = self.signals.listen();
        let (mut taps, mut made) = (Vec::new(), Vec::new());
        for subscription in to {
            let (tap, one) = self.interest(subscription).await?;
            taps.push((subscription, tap));
            made.push((subscription.clone(), one));
        }
        self.settled(&listening).await?;
        sleep(AFTER_ECHO).await;
        let subjects: Vec<_> = made.iter().map(|(_, one)| &*one.subject).collect();
        if let Some((subject, error)) = listening.stands(&subjects) {
            return Err(TransportError::subscribe(subject, error));
        }
        for (subscription, one) in &made {
            self.signals.subscribed(one.number, kind(subscription));
        }
        self.made().extend(made);
        self.read(taps);
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        let mut gone: Vec<Made> = {
            let mut made = self.made();
            from.iter().filter_map(|one| made.remove(one)).collect()
        };
        self.signals.given_up(gone.iter().map(|made| &*made.subject));
        self.leave(&mut gone, &self.signals.listen()).await
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<Subject>>) -> Result<(), TransportError> {
        let failed = |why: &dyn std::fmt::Display| TransportError::Lost(why.to_string());
        while let Some(parcel) = parcels.front() {
            let published = self.client.publish(parcel.topic.clone(), parcel.payload.clone());
            published.await.map_err(|why| failed(&why))?;
            self.unwritten.fetch_add(parcel.payload.len(), Ordering::Relaxed);
            parcels.pop_front();
            if self.unwritten.load(Ordering::Relaxed) >= UNWRITTEN {
                self.unwritten.store(0, Ordering::Relaxed);
                self.client.flush().await.map_err(|why| failed(&why))?;
            }
        }
        Ok(())
    }

    fn publish_now(&self, parcel: Parcel<Subject>) -> Option<Parcel<Subject>> {
        let bytes = parcel.payload.len();
        // Above this amount, a publisher must wait for the library.
        if self.unwritten.load(Ordering::Relaxed) + bytes >= UNWRITTEN {
            return Some(parcel);
        }
        let handed_over = self.client.publish(parcel.topic.clone(), parcel.payload.clone()).now_or_never();
        match handed_over {
            Some(Ok(())) => {
                self.unwritten.fetch_add(bytes, Ordering::Relaxed);
                None
            }
            // The task that publishes the parcel will see the error.
            Some(Err(_)) | None => Some(parcel),
        }
    }

    async fn lost(&self) -> TransportError {
        self.signals.over().await
    }

    async fn deaf(&self) -> TransportError {
        self.signals.taken().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        let listening = self.signals.listen();
        // If a connection is closed with unread data, the data that the server has not read is lost too. So
        // the server first reads everything. Then it stops sending, and what it has sent is still handled.
        self.settled(&listening).await?;
        let mut made: Vec<Made> = std::mem::take(&mut *self.made()).into_values().collect();
        let leaving = self.leave(&mut made, &listening);
        // What was sent stays sent, even if a slow handler keeps its reader busy.
        let _ = timeout(self.port.limits().close_timeout / 2, leaving).await;
        self.client.drain().await.map_err(|why| TransportError::Publish(why.into()))?;
        self.signals.over().await;
        Ok(())
    }
}

/// The library's own task ends only when nobody uses it any more. A reader that is busy still does, so the
/// task is ended here.
impl Drop for NatsSession {
    fn drop(&mut self) {
        let _ = self.client.drain().now_or_never();
    }
}

fn kind(subscription: &Subscription) -> PacketKind {
    match subscription {
        Subscription::Broadcast(kind) | Subscription::Own(kind) => *kind,
        Subscription::BalancedRequest { .. } => PacketKind::Request,
        Subscription::BalancedEvent { .. } => PacketKind::Event,
    }
}
