//! Balancing by the bus, `disableBalancer` (protocol chapter 3.1): this node's subscriptions, and when they
//! are in place.
//!
//! A node takes part from the moment it is announced until it leaves. Before and after that, it sends its own
//! calls and events to itself directly, because over the bus no service of this node would get them.
//!
//! A subscription is made before the service it is for is announced. An announcement says what this node
//! offered when the subscriptions were last updated, and nothing newer. While a subscription is being made,
//! this node sends its calls and events to each node itself, as without the option, because over the bus no
//! service of this node would get them.
//!
//! A subscription ends once the others have heard that its service is gone, and before this node stops
//! serving. Node ends it before the announcement. There, requests that are sent in between, or by several
//! nodes that leave at once, would get lost, and their callers would wait for the deadline.

use ligand_transporters::backoff::Backoff;
use ligand_transporters::locks::Mutex;
use ligand_transporters::{Connection, Name, Subscription, TransportError};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::Transit;
use crate::broker::{ServiceBroker, StartError};
use crate::membership::Message;
use crate::registry::{Event, LocalInfo};

/// After this long, every node has heard an announcement.
const HEARD: Duration = Duration::from_millis(250);
/// How many event names are remembered for which a warning was given. After that, no more warnings are given.
const WARNED: usize = 1024;

/// Whether the other nodes have been told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// They will be told.
    NotYet,
    /// They have been told.
    Yes,
}

/// What the bus balances for this node.
#[derive(Debug)]
pub(super) struct Balanced {
    /// Whether the option is set and this transporter supports it.
    on: bool,
    /// Whether subscriptions with wildcards get anything.
    wildcards: bool,
    /// Whether this node is announced, or is about to be.
    joined: AtomicBool,
    /// Whether the subscriptions are in place.
    active: AtomicBool,
    /// How many services are offered here and not subscribed for yet.
    unsettled: Arc<AtomicUsize>,
    subscribed: tokio::sync::Mutex<Subscribed>,
    /// Counts changes of what this node offers.
    changes: AtomicU64,
    warned: Mutex<HashSet<Name>>,
}

#[derive(Debug, Default)]
struct Subscribed {
    now: HashSet<Subscription>,
    /// Whether this node leaves, so that nothing is subscribed to any more.
    left: bool,
}

impl Subscribed {
    /// Ends the subscriptions that are no longer wanted.
    async fn end(
        &mut self,
        on: &dyn Connection,
        wanted: &HashSet<Subscription>,
    ) -> Result<(), TransportError> {
        let gone: Vec<_> = self.now.difference(wanted).cloned().collect();
        if !gone.is_empty() {
            on.unsubscribe(&gone).await?;
            self.now.retain(|one| wanted.contains(one));
        }
        Ok(())
    }
}

/// A service that is offered and not subscribed for yet. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Unsettled(Arc<AtomicUsize>);

impl Unsettled {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Balanced {
    pub(super) fn new(on: bool, wildcards: bool) -> Self {
        Self {
            on,
            wildcards,
            joined: AtomicBool::new(false),
            active: AtomicBool::new(false),
            unsettled: Arc::default(),
            subscribed: tokio::sync::Mutex::default(),
            changes: AtomicU64::new(0),
            warned: Mutex::default(),
        }
    }

    /// Whether this is the first warning for this name.
    fn is_first(&self, name: &Name) -> bool {
        let mut warned = self.warned.lock();
        !warned.contains(name) && warned.len() < WARNED && warned.insert(name.clone())
    }
}

impl Transit {
    /// Whether the bus balances once this node takes part.
    pub(crate) fn is_balanced(&self) -> bool {
        self.balanced.on
    }

    /// Whether calls without a node and emitted events go to the bus now.
    pub(crate) fn is_balancing(&self) -> bool {
        self.balanced.active.load(Ordering::Relaxed) && self.balanced.unsettled.load(Ordering::Acquire) == 0
    }

    /// Begins to take part. Returns what may be announced then.
    ///
    /// # Errors
    /// If the server refuses a subscription.
    pub(super) async fn start_balancing(
        &self,
        broker: &ServiceBroker,
    ) -> Result<Arc<LocalInfo>, TransportError> {
        self.balanced.joined.store(true, Ordering::Relaxed);
        self.balance(broker).await
    }

    async fn balance(&self, broker: &ServiceBroker) -> Result<Arc<LocalInfo>, TransportError> {
        // This is read before the subscriptions are made, so that everything in it has one.
        let info = broker.shared().registry.local_info();
        match self.rebalance(broker, false, Announced::NotYet).await {
            // The connection is gone. The subscriptions are made when it is back.
            Err(error) if error.is_retryable() => {
                tracing::debug!(error = %error, "balanced subscriptions not made yet");
                Ok(info)
            }
            done => done.map(|()| info),
        }
    }

    /// Hold this from before a service is offered until [`Transit::settle`] has subscribed for it.
    pub(crate) fn unsettled(&self) -> Option<Unsettled> {
        self.balanced.on.then(|| Unsettled::new(&self.balanced.unsettled))
    }

    /// Subscribes for a service that is offered now, if this node takes part already.
    ///
    /// # Errors
    /// If the server refuses while the broker is still starting. Later, a refusal is only reported.
    pub(crate) async fn settle(&self, broker: &ServiceBroker, starting: bool) -> Result<(), StartError> {
        if !self.balanced.joined.load(Ordering::Relaxed) {
            return Ok(());
        }
        if starting {
            let refused = |source| StartError::Transporter { attempts: 1, source };
            self.balance(broker).await.map(drop).map_err(refused)
        } else {
            self.rebalance_now(broker, Announced::NotYet).await;
            Ok(())
        }
    }

    /// Subscribes to what this node offers now, and ends the subscriptions for what it no longer offers.
    /// `anew` means that the server has forgotten all subscriptions.
    ///
    /// # Errors
    /// If the server refuses. The next call tries again.
    ///
    /// # Cancel safety
    /// If the future is dropped, some subscriptions may have been made or ended. The next call does that
    /// again, which is harmless.
    async fn rebalance(
        &self,
        broker: &ServiceBroker,
        anew: bool,
        announced: Announced,
    ) -> Result<(), TransportError> {
        if !self.balanced.on {
            return Ok(());
        }
        let mut subscribed = self.balanced.subscribed.lock().await;
        if subscribed.left {
            return Ok(());
        }
        let Some(connection) = self.uplink.any_connection() else { return Ok(()) };
        let wanted = self.wanted(broker);
        if announced == Announced::Yes {
            subscribed.end(&*connection, &wanted).await?;
        }
        let new: Vec<_> =
            wanted.iter().filter(|one| anew || !subscribed.now.contains(*one)).cloned().collect();
        if !new.is_empty() {
            connection.subscribe(&new).await?;
        }
        subscribed.now.extend(wanted);
        self.balanced.active.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether to change the subscriptions now. A connection that comes back makes all of them anew.
    fn may_rebalance(&self) -> bool {
        self.balanced.joined.load(Ordering::Relaxed) && self.uplink.is_connected()
    }

    /// As [`Transit::rebalance`], for a node that takes part already. A refusal is reported, and tried again
    /// with the next announcement.
    pub(super) async fn rebalance_now(&self, broker: &ServiceBroker, announced: Announced) {
        if self.may_rebalance()
            && let Err(error) = self.rebalance(broker, false, announced).await
        {
            self.refused(&error);
        }
    }

    /// Makes the subscriptions anew for a node that took part before its connection was lost. Returns what
    /// may be announced then.
    ///
    /// # Errors
    /// As in [`Transit::rebalance`].
    pub(super) async fn rebalance_joined(
        &self,
        broker: &ServiceBroker,
    ) -> Result<Arc<LocalInfo>, TransportError> {
        let info = broker.shared().registry.local_info();
        if self.balanced.joined.load(Ordering::Relaxed) {
            self.rebalance(broker, true, Announced::NotYet).await?;
        }
        Ok(info)
    }

    /// Changes the subscriptions, then announces this node. If the server refuses, this tries again until the
    /// server accepts, or until there is another change. The node is not announced before.
    pub(crate) fn rebalance_and_announce(self: &Arc<Self>, broker: &ServiceBroker) {
        let (transit, broker) = (Arc::clone(self), broker.clone());
        let change = self.balanced.changes.fetch_add(1, Ordering::Relaxed) + 1;
        self.uplink.link.spawn(async move {
            let mut backoff = Backoff::default();
            let mut refused = None;
            loop {
                // This is read before the subscriptions are made, so that everything in it has one.
                let info = broker.shared().registry.local_info();
                let made = if transit.may_rebalance() {
                    transit.rebalance(&broker, false, Announced::NotYet).await
                } else {
                    Ok(())
                };
                match made {
                    Err(error) if !error.is_retryable() => transit.refused(&error),
                    // A connection that comes back makes all subscriptions anew.
                    _ => return transit.control.tell(Message::Announce(info)),
                }
                // Meanwhile, the calls and events of this node do not go over the bus, where no service of
                // this node would get them.
                refused = refused.or_else(|| transit.unsettled());
                tokio::time::sleep(backoff.next_wait()).await;
                if transit.balanced.changes.load(Ordering::Relaxed) != change {
                    return;
                }
            }
        });
    }

    /// This node has been announced as of `seq`, so subscriptions that waited for that can end. If something
    /// has changed since, they wait for the next announcement.
    pub(crate) fn announced(self: &Arc<Self>, broker: &ServiceBroker, seq: u64) {
        if self.balanced.on {
            let (transit, broker) = (Arc::clone(self), broker.clone());
            self.uplink.link.spawn(async move {
                tokio::time::sleep(HEARD).await;
                if broker.shared().registry.local_info().seq == seq {
                    transit.rebalance_now(&broker, Announced::Yes).await;
                }
            });
        }
    }

    /// From now on this node sends its calls to itself directly, because it is about to leave.
    pub(super) fn stop_balancing(&self) {
        self.balanced.active.store(false, Ordering::Relaxed);
        self.balanced.joined.store(false, Ordering::Relaxed);
    }

    /// Ends every balanced subscription. This node has announced that it leaves, and still serves.
    pub(super) async fn end_balanced(&self) {
        let mut subscribed = self.balanced.subscribed.lock().await;
        subscribed.left = true;
        if subscribed.now.is_empty() {
            return;
        }
        tokio::time::sleep(HEARD.min(self.config.registry.stop_delay)).await;
        self.balanced.active.store(false, Ordering::Relaxed);
        if let Some(connection) = self.uplink.any_connection()
            && let Err(error) = subscribed.end(&*connection, &HashSet::new()).await
        {
            // If the connection is gone, so are the subscriptions.
            tracing::debug!(error = %error, "balanced subscriptions were not ended");
        }
    }

    /// Ends every balanced subscription of a node that does not hear everything, so that other nodes serve
    /// its groups. Does nothing if the connection came or went since. The subscriptions are made anew when
    /// the node is back.
    pub(super) async fn pause_balanced(&self, generation: u64) {
        let mut subscribed = self.balanced.subscribed.lock().await;
        if self.uplink.generation() == generation
            && let Some(connection) = self.uplink.any_connection()
            && let Err(error) = subscribed.end(&*connection, &HashSet::new()).await
        {
            tracing::debug!(error = %error, "balanced subscriptions were not ended");
        }
    }

    /// The same set as Node's: every action that other nodes may call, and every event subscription except
    /// those to the broker's own events.
    /// own events.
    fn wanted(&self, broker: &ServiceBroker) -> HashSet<Subscription> {
        let snapshot = broker.shared().registry.load();
        let Some(own) = snapshot.node_by_id(self.node.as_str()) else { return HashSet::new() };
        let services = own.services();
        let actions = services
            .actions()
            .filter(|action| action.callable_remotely() && self.offers_to_others(&action.name))
            .map(|action| Subscription::BalancedRequest { action: action.name.clone() });
        let events = services.events().filter(|event| !event.pattern.starts_with('$')).map(|event| {
            if !self.balanced.wildcards
                && event.pattern.contains(['*', '?'])
                && self.balanced.is_first(&event.pattern)
            {
                tracing::warn!(
                    event = %event.pattern,
                    service = %event.service,
                    "this transporter balances no events for patterns: emitted ones will not arrive, name each event"
                );
            }
            Subscription::BalancedEvent { event: event.pattern.clone(), group: event.group.clone() }
        });
        actions.chain(events).collect()
    }

    /// Whether other nodes may call this action, provided that it is public.
    pub(crate) fn offers_to_others(&self, action: &str) -> bool {
        action != "$node.options" || self.config.internal_services.remote_options
    }

    /// Warns, once per event, if a group will not get the event.
    pub(crate) fn check_balanced_event(&self, event: &Event, group: &Name) {
        if !self.balanced.wildcards && event.is_by_pattern_only(group) && self.balanced.is_first(event.name())
        {
            tracing::warn!(
                event = %event.name(),
                group = %group,
                "this transporter balances no events for patterns, and this group listens by one only: it will not get the event"
            );
        }
    }
}
