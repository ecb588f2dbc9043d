//! `#[started]` and `#[stopped]`, and work that belongs to the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ligand::{Context, Result, ServiceBroker, ServiceCx, service};
use serde_json::json;
use tokio::sync::mpsc;

/// Says what happens to it, in order.
struct Worker {
    said: mpsc::Sender<&'static str>,
    ticks: Arc<AtomicU32>,
    fails: bool,
}

impl Worker {
    fn new() -> (Self, mpsc::Receiver<&'static str>) {
        let (said, heard) = mpsc::channel(64);
        (Self { said, ticks: Arc::default(), fails: false }, heard)
    }

    fn say(&self, word: &'static str) {
        let _ = self.said.try_send(word);
    }
}

/// Says so when the task that owns it is dropped.
struct Goodbye(mpsc::Sender<&'static str>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        let _ = self.0.try_send("task dropped");
    }
}

#[derive(Debug, thiserror::Error, ligand::ActionError)]
#[error("no database")]
struct NoDatabase;

#[service(name = "worker")]
impl Worker {
    #[started]
    async fn open(&self, cx: ServiceCx) -> Result<(), NoDatabase> {
        if self.fails {
            return Err(NoDatabase);
        }
        self.say("started");
        let goodbye = Goodbye(self.said.clone());
        cx.spawn(async move {
            let _ = goodbye.0.try_send("task began");
            std::future::pending::<()>().await;
        });
        let (said, ticks, broker) = (self.said.clone(), Arc::clone(&self.ticks), cx.broker().clone());
        cx.every(Duration::from_millis(1), move || {
            let tick = ticks.fetch_add(1, Ordering::Relaxed);
            let (said, broker) = (said.clone(), broker.clone());
            async move {
                if tick == 3 {
                    let _ = said.try_send("fourth tick");
                    let _ = broker.emit("worker.ticked", json!({})).await;
                }
            }
        });
        Ok(())
    }

    #[event("worker.ticked")]
    async fn ticked(&self, ctx: Context) -> Result<()> {
        assert_eq!(ctx.service().map(|name| &**name), Some("worker"));
        self.say("heard the tick");
        Ok(())
    }

    #[stopped]
    async fn close(&self) -> Result<()> {
        self.say("stopped");
        Ok(())
    }
}

#[tokio::test]
async fn hooks_run_at_start_and_stop_and_tasks_end_with_the_service() {
    let (worker, mut heard) = Worker::new();
    let ticks = Arc::clone(&worker.ticks);
    let broker = ServiceBroker::builder().service(worker).build().unwrap();
    assert!(heard.try_recv().is_err(), "nothing runs before the start");
    broker.start().await.unwrap();
    let mut words = Vec::new();
    while words.last() != Some(&"heard the tick") {
        words.push(heard.recv().await.unwrap());
    }
    assert_eq!(words, ["started", "task began", "fourth tick", "heard the tick"]);
    broker.stop().await.unwrap();
    let at_stop = ticks.load(Ordering::Relaxed);
    let mut words = Vec::new();
    while let Ok(word) = heard.try_recv() {
        words.push(word);
    }
    words.sort_unstable();
    assert_eq!(words, ["stopped", "task dropped"]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), at_stop, "nothing ticks any more");
}

#[tokio::test]
async fn a_hook_that_fails_fails_the_start_with_its_reason() {
    let (worker, mut heard) = Worker::new();
    let broker = ServiceBroker::builder().service(Worker { fails: true, ..worker }).build().unwrap();
    let error = broker.start().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("worker") && text.contains("no database"), "{text}");
    let mut words = Vec::new();
    while let Ok(word) = heard.try_recv() {
        words.push(word);
    }
    assert!(!words.contains(&"started"), "{words:?}");
    broker.stop().await.unwrap();
}

/// Hooks without an argument, and a service that waits for another one.
struct Plain(mpsc::Sender<&'static str>);

#[service(name = "plain", depends_on = ["worker"])]
impl Plain {
    #[started]
    async fn open(&self) -> Result<()> {
        let _ = self.0.try_send("plain started");
        Ok(())
    }
}

#[tokio::test]
async fn a_service_starts_after_those_it_depends_on() {
    let (worker, mut heard) = Worker::new();
    let plain = Plain(worker.said.clone());
    let broker = ServiceBroker::builder().service(plain).service(worker).build().unwrap();
    broker.start().await.unwrap();
    let mut words = Vec::new();
    while words.last() != Some(&"plain started") {
        words.push(heard.recv().await.unwrap());
    }
    assert_eq!(words[0], "started");
    broker.stop().await.unwrap();
}
