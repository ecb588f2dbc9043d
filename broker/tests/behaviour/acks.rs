//! When a bus may forget what it handed over.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ligand::transport::{
    Ack, Capabilities, Connection, Frame, Link, PacketKind, Route, SendError, Source, Subscription,
    TransportError, Transporter, Up, WriteFrame, collect,
};
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tests_support::until;
use tokio::sync::{Notify, mpsc};

/// A bus of one node, whose send buffer is full for answers when a test says so.
#[derive(Debug, Default)]
struct Line {
    full: AtomicBool,
    refused: AtomicUsize,
    room: Notify,
    answers: Mutex<Vec<Value>>,
    inbox: Mutex<Option<mpsc::Sender<Frame>>>,
}

#[derive(Debug)]
struct OneNode(Arc<Line>);

struct Inbox(mpsc::Receiver<Frame>);

#[async_trait]
impl Source for Inbox {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        self.0.recv_many(batch, 16).await > 0
    }
}

#[async_trait]
impl Transporter for OneNode {
    fn scheme(&self) -> &'static str {
        "line"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::bus()
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let (inbox, frames) = mpsc::channel(64);
        *self.0.inbox.lock().unwrap() = Some(inbox);
        link.read(Inbox(frames));
        link.up(Up::First);
        Ok(Arc::new(Live(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct Live(Arc<Line>);

#[async_trait]
impl Connection for Live {
    async fn subscribe(&self, _to: &[Subscription]) -> Result<(), TransportError> {
        Ok(())
    }

    async fn unsubscribe(&self, _from: &[Subscription]) -> Result<(), TransportError> {
        Ok(())
    }

    fn send(
        &self,
        _to: &Route,
        kind: PacketKind,
        _token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        if kind != PacketKind::Response {
            return Ok(());
        }
        if self.0.full.load(Ordering::SeqCst) {
            self.0.refused.fetch_add(1, Ordering::SeqCst);
            return Err(SendError::Full);
        }
        let answer = serde_json::from_slice(&collect(write, 1 << 20)?).unwrap();
        self.0.answers.lock().unwrap().push(answer);
        Ok(())
    }

    fn room<'a>(&'a self, _to: &'a Route) -> BoxFuture<'a, ()> {
        Box::pin(self.0.room.notified())
    }

    async fn close(&self) -> Result<(), TransportError> {
        Ok(())
    }
}

/// A packet as another node would send it; how many answers had been accepted when the bus was told that
/// it had been handled.
fn deliver(line: &Arc<Line>, kind: PacketKind, mut packet: Value, shed: bool) -> Arc<Mutex<Option<usize>>> {
    packet["ver"] = json!("5");
    packet["sender"] = json!("other");
    let acked = Arc::new(Mutex::new(None));
    let (told, at) = (Arc::clone(&acked), Arc::clone(line));
    let mut frame = Frame::new(kind, packet.to_string().into_bytes());
    frame.ack = Some(Ack::new(move || *told.lock().unwrap() = Some(at.answers.lock().unwrap().len())));
    frame.shed = shed;
    line.inbox.lock().unwrap().as_ref().unwrap().try_send(frame).unwrap();
    acked
}

fn request(action: &str) -> Value {
    json!({ "id": action, "action": action, "params": {}, "meta": {}, "level": 1, "timeout": 0 })
}

async fn acknowledged(acked: &Mutex<Option<usize>>) -> usize {
    until("it is acknowledged", async || *acked.lock().unwrap()).await
}

async fn node(gate: &Arc<Notify>) -> (Arc<Line>, ServiceBroker) {
    let line = Arc::new(Line::default());
    let (action, event) = (Arc::clone(gate), Arc::clone(gate));
    let service = ServiceDef::builder("work")
        .action("now", |_, _: Value| async { Ok::<_, Error>(1) })
        .action("later", move |_, _: Value| {
            let gate = Arc::clone(&action);
            async move {
                gate.notified().await;
                Ok::<_, Error>(2)
            }
        })
        .event("done", move |_, _: Value| {
            let gate = Arc::clone(&event);
            async move {
                gate.notified().await;
                Ok::<_, Error>(())
            }
        })
        .build();
    let broker = ServiceBroker::builder().node_id("me").transporter(OneNode(Arc::clone(&line)));
    let broker = broker.service(service).build().unwrap();
    broker.start().await.unwrap();
    (line, broker)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_acknowledged_when_its_answer_was_accepted() {
    let gate = Arc::new(Notify::new());
    let (line, broker) = node(&gate).await;
    let acked = deliver(&line, PacketKind::Request, request("work.now"), false);
    let answers = acknowledged(&acked).await;
    assert_eq!(answers, 1);

    let acked = deliver(&line, PacketKind::Request, request("work.later"), false);
    until("one answer is accepted", async || line.answers.lock().unwrap().len() == 1).await;
    assert_eq!(*acked.lock().unwrap(), None, "its handler is running");
    gate.notify_one();
    let answers = acknowledged(&acked).await;
    assert_eq!(answers, 2);
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_waits_for_room_holds_the_acknowledgement_back() {
    let (line, broker) = node(&Arc::default()).await;
    for (answered, (action, shed)) in
        [("work.now", false), ("work.now", true), ("work.unknown", false)].into_iter().enumerate()
    {
        line.full.store(true, Ordering::SeqCst);
        let refused = line.refused.load(Ordering::SeqCst);
        let acked = deliver(&line, PacketKind::Request, request(action), shed);
        until("the answer is refused", async || line.refused.load(Ordering::SeqCst) > refused).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(*acked.lock().unwrap(), None, "{action}: its answer has not been accepted");
        line.full.store(false, Ordering::SeqCst);
        line.room.notify_one();
        let answers = acknowledged(&acked).await;
        assert_eq!(answers, answered + 1, "{action}");
    }
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_is_acknowledged_when_its_handlers_have_ended() {
    let gate = Arc::new(Notify::new());
    let (line, broker) = node(&gate).await;
    let event =
        json!({ "id": "1", "event": "work.done", "data": null, "meta": {}, "level": 1, "broadcast": false });
    let event = |name: &str| {
        let mut event = event.clone();
        event["event"] = json!(name);
        event
    };
    let unknown = deliver(&line, PacketKind::Event, event("nobody.cares"), false);
    let acked = deliver(&line, PacketKind::Event, event("done"), false);
    acknowledged(&unknown).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(*acked.lock().unwrap(), None, "its handler is running");
    gate.notify_one();
    acknowledged(&acked).await;
    broker.stop().await.unwrap();
}
