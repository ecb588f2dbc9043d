//! Connects to the store through which nodes learn of each other, if one is configured.

use super::Store;
use crate::broker::{ServiceBroker, StartError};
use crate::transit::Transit;

/// Connects to the store and starts the task that keeps it. Tries again and again until
/// `transit.connectTimeout` has passed.
#[cfg(feature = "discovery-redis")]
pub(crate) async fn open_store(
    transit: &Transit,
    broker: &ServiceBroker,
) -> Result<Option<Store>, StartError> {
    use ligand_transporters::TransportError;
    use ligand_transporters::redis_kv::RedisKv;

    use super::commands::Commands;
    use super::keeper::Keeper;
    use crate::discovery::record_names::RecordNames;
    use crate::membership::Message;

    let config = broker.config();
    let wrong = |source| StartError::Discoverer { attempts: 1, source };
    let chosen = config.registry.discoverer.as_ref().map(crate::config::DiscovererConfig::redis);
    let Some(chosen) = chosen.transpose().map_err(|why| wrong(TransportError::Config(why)))?.flatten() else {
        return Ok(None);
    };
    let store = RedisKv::new(&chosen.redis).map_err(wrong)?;
    let records = reach(transit, &store).await?;
    tracing::info!(node = %transit.node(), store = %store, "nodes learn of each other through a store");
    let names = RecordNames::new(&config.namespace, transit.node(), broker.instance_id());
    let lasts = config.heartbeat_timeout;
    let keeper = Keeper::new(store, names, lasts, chosen.scan_length, config.registry.max_nodes);
    let (commands, inbox) = Commands::new();
    let shared = broker.weak();
    transit.uplink().link.spawn(keeper.run(records, inbox, move |event| {
        // If the broker is gone, nobody needs the event.
        if let Some(transit) = shared.upgrade().and_then(|shared| shared.transit().cloned()) {
            transit.tell(Message::Discovered(event));
        }
    }));
    let serializer = crate::serializer::serializer(chosen.serializer.codec());
    Ok(Some(Store { commands, full_check: chosen.full_check, serializer }))
}

#[cfg(feature = "discovery-redis")]
async fn reach(
    transit: &Transit,
    store: &ligand_transporters::redis_kv::RedisKv,
) -> Result<ligand_transporters::redis_kv::RedisRecords, StartError> {
    let until = transit.connect_until();
    let mut backoff = ligand_transporters::backoff::Backoff::default();
    let mut attempts = 0;
    loop {
        attempts += 1;
        // `connect` has a time limit of its own.
        let source = match store.connect().await {
            Ok(records) => return Ok(records),
            Err(source) => source,
        };
        let wait = backoff.next_wait();
        if !source.is_retryable() || crate::transit::is_over(until, wait) {
            return Err(StartError::Discoverer { attempts, source });
        }
        if let Some(left_out) = transit.uplink().log_line("discoverer not connected") {
            tracing::warn!(
                node = %transit.node(),
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

/// Without the feature there is no store to connect to. A configuration that names one was refused before.
#[cfg(not(feature = "discovery-redis"))]
pub(crate) async fn open_store(
    _transit: &Transit,
    _broker: &ServiceBroker,
) -> Result<Option<Store>, StartError> {
    std::future::ready(Ok(None)).await
}
