//! Waiting for services, and logging which ones are missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

use super::{ServiceBroker, WaitError};
use crate::config::Timeout;
use crate::membership::Message;

/// A wait of this length is logged.
const WORTH_A_LINE: Duration = Duration::from_secs(1);
/// A wait of this length is logged as a warning.
const WORTH_A_WARNING: Duration = Duration::from_secs(10);
/// How often the warning is repeated.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// Counts those who wait.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ServiceBroker {
    /// Waits until all these services (full names) are available, here or on other nodes, for at most
    /// `dependencyTimeout` of the configuration. A wait of more than a second is logged, with the names of
    /// the missing services. A wait of more than ten seconds is logged as a warning every half minute.
    ///
    /// # Errors
    /// [`WaitError`] names the missing services.
    ///
    /// # Cancel safety
    /// If the future is dropped, it leaves nothing behind.
    pub async fn wait_for(&self, services: &[&str]) -> Result<(), WaitError> {
        self.wait_for_within(services, self.shared().config.dependency_timeout).await
    }

    /// Like [`ServiceBroker::wait_for`], with the given limit. With zero it checks once and does not wait.
    ///
    /// # Errors
    /// [`WaitError`] names the missing services.
    ///
    /// # Cancel safety
    /// If the future is dropped, it leaves nothing behind.
    pub async fn wait_for_within(
        &self,
        services: &[&str],
        timeout: impl Into<Timeout>,
    ) -> Result<(), WaitError> {
        self.wait_as(services, timeout.into(), None).await
    }

    /// Like [`ServiceBroker::wait_for`], on behalf of a service.
    pub(super) async fn wait_as(
        &self,
        services: &[&str],
        limit: Timeout,
        dependent: Option<&str>,
    ) -> Result<(), WaitError> {
        if self.missing(services).is_empty() {
            return Ok(());
        }
        let wait = self.until_offered(services, dependent);
        match limit {
            Timeout::Never => wait.await,
            Timeout::After(limit) => {
                // The check below shows which services are missing.
                let _ = timeout(limit, wait).await;
            }
        }
        match self.missing(services) {
            missing if missing.is_empty() => Ok(()),
            missing => Err(self.wait_error(missing)),
        }
    }

    async fn until_offered(&self, services: &[&str], dependent: Option<&str>) {
        let shared = self.shared();
        let mut changed = shared.changed.subscribe();
        shared.waits.fetch_add(1, Ordering::AcqRel);
        let _counted = Waits(&shared.waits);
        if let Some(transit) = shared.transit() {
            transit.tell(Message::Waiting);
        }
        let from = Instant::now();
        let mut tell_at = from + WORTH_A_LINE;
        loop {
            let missing = self.missing(services);
            if missing.is_empty() {
                return;
            }
            tokio::select! {
                changed = changed.changed() => if changed.is_err() {
                    return;
                },
                () = sleep_until(tell_at) => {
                    tell(&self.wait_error(missing), dependent, from.elapsed());
                    tell_at = match tell_at {
                        at if at < from + WORTH_A_WARNING => from + WORTH_A_WARNING,
                        at => at + WARN_EVERY,
                    };
                }
            }
        }
    }

    /// Those of these services that nobody offers.
    fn missing(&self, services: &[&str]) -> Vec<String> {
        let snapshot = self.shared().registry.load();
        let missing = services.iter().filter(|name| !snapshot.has_service(name));
        missing.map(|name| (*name).to_owned()).collect()
    }

    fn wait_error(&self, missing: Vec<String>) -> WaitError {
        let here = missing.iter().filter_map(|name| {
            let needs = self.shared().services.not_started(name)?;
            let needs: Vec<_> = needs.iter().map(|name| name.as_str()).collect();
            Some((name.clone(), self.missing(&needs)))
        });
        let not_started: BTreeMap<_, _> = here.collect();
        WaitError { missing, not_started }
    }

    /// Whether anybody waits for services.
    pub(crate) fn waits_for_services(&self) -> bool {
        self.shared().waits.load(Ordering::Acquire) > 0
    }

    /// Whether this node offers services other than the broker's own.
    pub(crate) fn offers_services(&self) -> bool {
        let snapshot = self.shared().registry.load();
        let own = snapshot.node_by_id(self.node_id().as_str());
        own.is_some_and(|own| own.services().list().iter().any(|one| !one.full_name.starts_with('$')))
    }
}

fn tell(missing: &WaitError, service: Option<&str>, waited: Duration) {
    let elapsed_ms = waited.as_millis();
    if waited < WORTH_A_WARNING {
        tracing::info!(service, elapsed_ms, missing = %missing, "waiting for services");
    } else {
        tracing::warn!(service, elapsed_ms, missing = %missing, "still waiting for services");
    }
}
