//! The store through which nodes learn of each other, where one is configured.

use super::Transit;
use crate::broker::{ServiceBroker, StartError};
use crate::discovery::records::Store;

impl Transit {
    /// Whether nodes learn of each other through a store.
    pub(super) fn has_discoverer(&self) -> bool {
        self.config.registry.discoverer.as_ref().is_some_and(|chosen| matches!(chosen.redis(), Ok(Some(_))))
    }

    /// Connects to the store, again and again until `transit.connectTimeout` has passed, and starts the task
    /// that keeps it.
    #[cfg(feature = "discovery-redis")]
    pub(super) async fn open_discoverer(&self, broker: &ServiceBroker) -> Result<Option<Store>, StartError> {
        use ligand_transporters::TransportError;
        use ligand_transporters::redis_kv::RedisKv;

        use super::Message;
        use crate::discovery::records::{Keeper, Names, Orders};

        let wrong = |source| StartError::Discoverer { attempts: 1, source };
        let chosen = self.config.registry.discoverer.as_ref().map(crate::config::DiscovererConfig::redis);
        let Some(chosen) = chosen.transpose().map_err(|why| wrong(TransportError::Config(why)))?.flatten()
        else {
            return Ok(None);
        };
        let store = RedisKv::new(&chosen.redis).map_err(wrong)?;
        let records = self.reach(&store).await?;
        tracing::info!(node = %self.node, store = %store, "nodes learn of each other through a store");
        let names = Names::new(&self.config.namespace, &self.node, broker.instance_id());
        let registry = &self.config.registry;
        let lasts = self.config.heartbeat_timeout;
        let keeper = Keeper::new(store, names, lasts, chosen.scan_length, registry.max_nodes);
        let (orders, inbox) = Orders::new();
        let shared = broker.weak();
        self.link.spawn(keeper.run(records, inbox, move |found| {
            // A broker that has gone needs to know nothing.
            if let Some(transit) = shared.upgrade().and_then(|shared| shared.transit().cloned()) {
                transit.control.tell(Message::Discovered(found));
            }
        }));
        let serializer = crate::serializer::serializer(chosen.serializer.codec());
        Ok(Some(Store { orders, full_check: chosen.full_check, serializer }))
    }

    #[cfg(feature = "discovery-redis")]
    async fn reach(
        &self,
        store: &ligand_transporters::redis_kv::RedisKv,
    ) -> Result<ligand_transporters::redis_kv::RedisRecords, StartError> {
        let until = self.connect_until();
        let mut backoff = ligand_transporters::backoff::Backoff::default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            // Bounded by itself.
            let source = match store.connect().await {
                Ok(records) => return Ok(records),
                Err(source) => source,
            };
            let wait = backoff.next_wait();
            if !source.is_retryable() || super::connection::is_over(until, wait) {
                return Err(StartError::Discoverer { attempts, source });
            }
            if let Some(left_out) = self.log_line("discoverer not connected") {
                tracing::warn!(
                    node = %self.node,
                    error = %source,
                    attempts,
                    wait_ms = wait.as_millis(),
                    left_out = (left_out > 0).then_some(left_out),
                    "discoverer not connected, trying again"
                );
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Without the feature there is no store to connect to; a configuration that names one was refused.
    #[cfg(not(feature = "discovery-redis"))]
    pub(super) async fn open_discoverer(&self, _broker: &ServiceBroker) -> Result<Option<Store>, StartError> {
        std::future::ready(Ok(None)).await
    }
}
