//! The task that reads and writes the records.

use ligand_transporters::TransportError;
use ligand_transporters::backoff::Backoff;
use ligand_transporters::redis_kv::{RedisKv, RedisRecords};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::commands::{Command, StoreEvent};
use crate::discovery::record_names::RecordNames;

/// An INFO that is not renewed expires after this long.
const INFO_LASTS: Duration = Duration::from_secs(1800);
/// How many INFOs are read at a time.
const FETCHED: usize = 16;
/// How many beats are read at most for each node that may be known. Old ones linger for a while.
const BEATS_PER_NODE: usize = 4;

/// The store and how it is used.
pub(super) struct Keeper {
    store: RedisKv,
    names: RecordNames,
    /// How long beats last.
    lasts: Duration,
    scan_length: usize,
    max_nodes: usize,
}

impl Keeper {
    pub(super) fn new(
        store: RedisKv,
        names: RecordNames,
        lasts: Duration,
        scan_length: usize,
        max_nodes: usize,
    ) -> Self {
        Self { store, names, lasts, scan_length, max_nodes }
    }

    /// Handles commands until the sender is gone. The link owns this task and drops it.
    pub(super) async fn run(
        self,
        mut records: RedisRecords,
        mut commands: Receiver<Command>,
        tell: impl Fn(StoreEvent),
    ) {
        let mut backoff = Backoff::default();
        // The last beat of the previous connection may have expired. Deleting it again is harmless.
        let mut last_beat = None;
        while let Some(order) = commands.recv().await {
            let done = self.obey(order, &mut records, &mut last_beat, &tell);
            // A single command is bounded, but a scan takes as many as the store has keys.
            let done = timeout(self.lasts.max(Duration::from_secs(10)), done).await;
            match done.unwrap_or_else(|_| Err(TransportError::Lost("it takes too long".to_owned()))) {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tell(StoreEvent::Lost(error));
                    match self.again(&mut commands, &mut backoff).await {
                        Some(new) => records = new,
                        None => return,
                    }
                    tell(StoreEvent::Reached);
                }
            }
        }
    }

    /// Reconnects, for as long as it takes. Commands that arrive meanwhile are dropped. The control loop
    /// sends them again, and whoever waits for one learns of the drop.
    async fn again(&self, commands: &mut Receiver<Command>, backoff: &mut Backoff) -> Option<RedisRecords> {
        let connecting = async {
            loop {
                sleep(backoff.next_wait()).await;
                match self.store.connect().await {
                    Ok(records) => return records,
                    Err(error) => {
                        tracing::debug!(error = %error, "the store of the discoverer is out of reach")
                    }
                }
            }
        };
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                records = &mut connecting => return Some(records),
                order = commands.recv() => { order?; }
            }
        }
    }

    async fn obey(
        &self,
        order: Command,
        records: &mut RedisRecords,
        last_beat: &mut Option<u64>,
        tell: &impl Fn(StoreEvent),
    ) -> Result<(), TransportError> {
        match order {
            Command::Info { value, done } => {
                records.put(&self.names.own_info(), &value, INFO_LASTS).await?;
                if let Some(done) = done {
                    let _ = done.send(());
                }
                Ok(())
            }
            Command::Beat { seq, value, values } => {
                let old = last_beat.filter(|last| *last != seq).map(|last| self.names.own_beat(last));
                let key = self.names.own_beat(seq);
                let kept = self.names.own_info();
                let kept = (kept.as_str(), INFO_LASTS);
                let there = records.replace(old.as_deref(), &key, &value, self.lasts, kept).await?;
                *last_beat = Some(seq);
                if !there {
                    tell(StoreEvent::Forgotten);
                }
                self.scan(records, values, tell).await
            }
            Command::Scan => self.scan(records, false, tell).await,
            Command::Fetch(nodes) => {
                for nodes in nodes.chunks(FETCHED) {
                    let keys: Vec<_> = nodes.iter().map(|node| self.names.info(node)).collect();
                    let values = records.get(&keys).await?;
                    for (node, value) in nodes.iter().zip(values) {
                        tell(StoreEvent::Info { node: node.clone(), value });
                    }
                }
                Ok(())
            }
            Command::Leave(done) => {
                records.delete(&[self.names.own_info()]).await?;
                let most = self.max_nodes;
                let beats = records.names(self.names.own_beats(), self.scan_length, most).await?;
                records.delete(&beats).await?;
                let _ = done.send(());
                Ok(())
            }
        }
    }

    async fn scan(
        &self,
        records: &mut RedisRecords,
        with_values: bool,
        tell: &impl Fn(StoreEvent),
    ) -> Result<(), TransportError> {
        let most = self.max_nodes.saturating_mul(BEATS_PER_NODE);
        let found = records.names(self.names.beats(), self.scan_length, most).await?;
        let values = if with_values { records.get(&found).await? } else { vec![None; found.len()] };
        let beats = found.iter().map(|name| self.names.read(name)).zip(values);
        tell(StoreEvent::Beats(beats.filter_map(|(beat, value)| Some((beat?, value))).collect()));
        Ok(())
    }
}
