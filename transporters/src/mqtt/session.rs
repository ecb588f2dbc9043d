//! One connection with a server.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

use super::pulse::Pulse;
use super::waiting::{Subscribed, Waiting};
use super::wire::{Loop, Requester, ServerEvent};
use crate::bus::{Parcel, Port, Pump, Session};
use crate::locks::Mutex;
use crate::{Frame, Subscription, Topics, TransportError};

/// See the module.
pub(super) struct MqttSession {
    requester: Requester,
    topics: Topics,
    qos: u8,
    max_frame: usize,
    shared: Arc<Mutex<Waiting>>,
    subscribed: Arc<Subscribed>,
    /// The number of publishes of quality 1 and 2 that the server has not settled.
    open: Arc<watch::Sender<usize>>,
    /// A subscription that the server has taken away, and why.
    taken: watch::Receiver<Option<(String, String)>>,
    /// Why the event loop has ended: an error of the library, or `Ok` after MQTT's DISCONNECT was sent.
    ended: watch::Receiver<Option<Result<(), String>>>,
}

impl MqttSession {
    pub(super) fn start(
        requester: Requester,
        events: Loop,
        topics: Topics,
        qos: u8,
        max_frame: usize,
        port: &Port,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Waiting::default()));
        let (over, ended) = watch::channel(None);
        let (pump, inbox) = port.inbox();
        port.read(inbox);
        let open = Arc::new(watch::channel(0).0);
        let reader = Reader {
            topics: topics.clone(),
            shared: Arc::clone(&shared),
            open: Arc::clone(&open),
            pump,
            port: port.clone(),
            sent: HashMap::new(),
        };
        let subscribed: Arc<Subscribed> = Arc::default();
        let pulse = Pulse {
            requester: requester.clone(),
            qos,
            subscribed: Arc::clone(&subscribed),
            waiting: Arc::clone(&shared),
            hold: port.limits().max_hold,
            taken: watch::channel(None).0,
            port: port.clone(),
        };
        let taken = pulse.taken.subscribe();
        port.spawn(async move {
            // When the reader is dropped, everything that the library still holds is dropped too.
            let result = tokio::select! {
                result = reader.run(events) => result,
                why = pulse.stopped() => Err(why),
            };
            over.send_replace(Some(result));
        });
        Self { requester, topics, qos, max_frame, shared, subscribed, open, ended, taken }
    }
}

/// Polls the library all the time, and never waits for the node.
struct Reader {
    topics: Topics,
    shared: Arc<Mutex<Waiting>>,
    open: Arc<watch::Sender<usize>>,
    pump: Pump,
    port: Port,
    /// The topics of publishes without an answer, by packet id.
    sent: HashMap<u16, Arc<str>>,
}

impl Reader {
    async fn run(mut self, mut events: Loop) -> Result<(), String> {
        let mut arrived = Vec::new();
        let mut left = false;
        loop {
            match events.next(&mut arrived).await {
                // The server closes the connection after MQTT's DISCONNECT. Read until then: if a socket is
                // closed with unread data, what was sent may be lost.
                Err(_) if left => return Ok(()),
                result => result?,
            }
            let mut frames = Vec::new();
            for event in arrived.drain(..) {
                match event {
                    ServerEvent::Message { topic, payload } => frames.extend(self.frame(&topic, payload)),
                    ServerEvent::Left => left = true,
                    other => self.answer(other),
                }
            }
            if !frames.is_empty() {
                self.pump.push(frames);
            }
        }
    }

    fn frame(&self, topic: &[u8], payload: bytes::Bytes) -> Option<Frame> {
        let kind = std::str::from_utf8(topic).ok().and_then(|topic| self.topics.kind_of(topic))?;
        Some(Frame::new(kind, payload))
    }

    fn answer(&mut self, event: ServerEvent) {
        let mut waiting = self.shared.lock();
        // The one who asked may have given up.
        match event {
            ServerEvent::Subscribed(codes) => {
                let _ = waiting.subscribes.pop_front().map(|asked| asked.send(codes));
            }
            ServerEvent::Unsubscribed => {
                let _ = waiting.unsubscribes.pop_front().map(|asked| asked.send(()));
            }
            ServerEvent::Published { id } => {
                if let Some(topic) = waiting.published.pop_front() {
                    self.sent.insert(id, topic);
                }
            }
            ServerEvent::Settled { id, refused } => {
                drop(waiting);
                self.open.send_modify(|open| *open = open.saturating_sub(1));
                let topic = self.sent.remove(&id);
                if let Some((topic, why)) = topic.zip(refused) {
                    self.port.refused(&TransportError::refused(&*topic, why));
                }
            }
            ServerEvent::Connected { .. } | ServerEvent::Message { .. } | ServerEvent::Left => {}
        }
    }
}

#[async_trait]
impl Session for MqttSession {
    type Topic = Arc<str>;

    fn max_frame(&self) -> usize {
        self.max_frame
    }

    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let topics: Vec<String> = to.iter().map(|one| self.topics.of(one)).collect();
        let (told, answer) = oneshot::channel();
        {
            let _turn = self.subscribed.lock().await;
            self.shared.lock().subscribes.push_back(told);
            self.requester.subscribe(&topics, self.qos).await?;
        }
        let codes = answer.await.map_err(|_| self.gone())?;
        match topics.iter().zip(codes).find_map(|(topic, refused)| Some(topic).zip(refused)) {
            Some((topic, why)) => Err(TransportError::subscribe(topic, why)),
            None => {
                self.subscribed.lock().await.extend(topics);
                Ok(())
            }
        }
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        for one in from {
            let (told, answer) = oneshot::channel();
            let topic = self.topics.of(one);
            {
                let mut subscribed = self.subscribed.lock().await;
                subscribed.retain(|one| *one != topic);
                self.shared.lock().unsubscribes.push_back(told);
                self.requester.unsubscribe(&topic).await?;
            }
            answer.await.map_err(|_| self.gone())?;
        }
        Ok(())
    }

    async fn publish(&self, parcels: &mut VecDeque<Parcel<Arc<str>>>) -> Result<(), TransportError> {
        while let Some(parcel) = parcels.pop_front() {
            if self.qos > 0 {
                self.shared.lock().published.push_back(Arc::clone(&parcel.topic));
                self.open.send_modify(|open| *open += 1);
            }
            self.requester.publish(&parcel.topic, self.qos, parcel.payload).await?;
        }
        Ok(())
    }

    /// Only for publishes that the server does not acknowledge. The others must be recorded in order.
    fn publish_now(&self, parcel: Parcel<Arc<str>>) -> Option<Parcel<Arc<str>>> {
        if self.qos > 0 {
            return Some(parcel);
        }
        match self.requester.publish(&parcel.topic, self.qos, parcel.payload.clone()).now_or_never() {
            Some(Ok(())) => None,
            Some(Err(_)) | None => Some(parcel),
        }
    }

    async fn lost(&self) -> TransportError {
        // An error means that the event loop has ended without a reason.
        let _ = self.ended.clone().wait_for(Option::is_some).await;
        self.gone()
    }

    async fn deaf(&self) -> TransportError {
        match self.taken.clone().wait_for(Option::is_some).await.map(|taken| taken.clone()) {
            Ok(Some((topic, why))) => TransportError::refused(topic, why),
            // The pulse has ended, and the session with it.
            _ => std::future::pending().await,
        }
    }

    async fn close(&self) -> Result<(), TransportError> {
        tokio::select! {
            // The sender lives as long as this session.
            _ = async { self.open.subscribe().wait_for(|open| *open == 0).await.map(drop) } => {}
            why = self.lost() => return Err(why),
        }
        // After DISCONNECT nothing may be asked. Without topics, the pulse asks nothing.
        self.subscribed.lock().await.clear();
        self.requester.disconnect().await?;
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(Err(why))) => Err(TransportError::Lost(why)),
            _ => Ok(()),
        }
    }
}

impl MqttSession {
    fn gone(&self) -> TransportError {
        let why = self.ended.borrow().clone();
        TransportError::Lost(match why {
            Some(Err(why)) => why,
            _ => "the MQTT client has ended".to_owned(),
        })
    }
}
