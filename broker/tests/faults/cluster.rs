//! The caller, which lives in this program, and its workers.

use ligand::ServiceBroker;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

use crate::PATIENCE;
use crate::handled::Handled;
use crate::places::Place;
use crate::worker::{Worker, node};

const NAMES: [&str; 4] = ["caller", "worker-1", "worker-2", "worker-3"];

pub(crate) struct Cluster {
    pub(crate) caller: ServiceBroker,
    pub(crate) workers: Vec<Worker>,
    pub(crate) handled: Handled,
    place: Place,
}

impl Cluster {
    /// A caller and so many workers who all know each other.
    pub(crate) async fn start(url: Option<&str>, workers: usize, work_ms: u64) -> Result<Self, String> {
        let place = Place::new(url, &NAMES, work_ms);
        let handled = Handled::default();
        let caller = node("caller", &place, None);
        let names = NAMES.iter().skip(1).take(workers);
        let workers = futures_util::future::join_all(names.map(|name| Worker::start(name, &place, &handled)));
        let (started, workers) = tokio::join!(caller.start(), workers);
        started.map_err(|error| error.to_string())?;
        let cluster = Self { caller, workers, handled, place };
        cluster.all_known().await?;
        Ok(cluster)
    }

    /// Waits until the caller knows every worker's service, and each has answered.
    pub(crate) async fn all_known(&self) -> Result<(), String> {
        let wanted: HashSet<_> = self.workers.iter().map(|worker| worker.name.clone()).collect();
        let known = async {
            while self.offering().await != wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let late = |_| format!("the caller does not know {wanted:?} within {PATIENCE:?}");
        timeout(PATIENCE, known).await.map_err(late)?;
        self.all_answer().await.map(drop)
    }

    /// Waits until each worker has answered a call, and says when the last had.
    pub(crate) async fn all_answer(&self) -> Result<Instant, String> {
        for worker in &self.workers {
            let id = ligand::NodeId::new(&worker.name).map_err(|error| error.to_string())?;
            let answers = async {
                // Ids that no load uses.
                static IDS: AtomicU64 = AtomicU64::new(1 << 40);
                loop {
                    let call =
                        self.caller.call::<String>("work.do", IDS.fetch_add(1, Ordering::Relaxed)).node(&id);
                    if call.timeout(Duration::from_millis(500)).await.is_ok() {
                        return;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            let late = |_| format!("{} does not answer within {PATIENCE:?}", worker.name);
            timeout(PATIENCE, answers).await.map_err(late)?;
        }
        Ok(Instant::now())
    }

    async fn offering(&self) -> HashSet<String> {
        let all =
            self.caller.call::<Value>("$node.services", json!({ "onlyAvailable": true, "grouping": false }));
        let all = all.await.unwrap_or_default();
        let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
        let of_work =
            all.iter().filter(|service| service["fullName"] == "work" && service["available"] != false);
        of_work.filter_map(|service| service["nodeID"].as_str().map(ToOwned::to_owned)).collect()
    }

    /// Starts a worker again that has ended, under its name.
    pub(crate) async fn start_again(&mut self, name: &str) -> Result<(), String> {
        self.workers.push(Worker::start(name, &self.place, &self.handled).await);
        self.all_known().await
    }

    /// How many of the workers do not hear a broadcast exactly once.
    pub(crate) async fn misheard(&self) -> Result<usize, String> {
        static EVENTS: AtomicU64 = AtomicU64::new(0);
        let event = EVENTS.fetch_add(1, Ordering::Relaxed);
        self.caller.broadcast("work.heard", event).await.map_err(|error| error.to_string())?;
        let heard = || self.workers.iter().map(|worker| self.handled.heard(&worker.name, event));
        let until = Instant::now() + Duration::from_secs(5);
        while heard().any(|times| times == 0) && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
        // Time for those that would come once more.
        sleep(Duration::from_millis(200)).await;
        Ok(heard().filter(|times| *times != 1).count())
    }

    pub(crate) async fn stop(self) -> Result<(), String> {
        futures_util::future::join_all(self.workers.into_iter().map(Worker::terminate)).await;
        self.caller.stop().await.map_err(|error| error.to_string())
    }
}
