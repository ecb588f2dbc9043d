//! The destinations to which the server does not let this node publish.
//!
//! A refused publish has no answer of its own. The server closes the channel, and ignores everything on it
//! until the client has confirmed the close. It gives a reason that names the exchange. The client library
//! reports the reason as an event of the connection.
//!
//! So this module keeps the destinations of the last frames. The report names them if the reason names none.
//! It also keeps the exchanges that a reason has named. Nothing is published to them any more. Otherwise each
//! heartbeat would close the channel again, and other frames would be lost with it.

use lapin::Channel;
use lapin::protocol::AMQPError;
use lapin::types::ShortString;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::watch;

use super::topology::Destination;
use crate::locks::Mutex;

/// The server's name for the exchange that leads to the queue of a given name.
const DEFAULT_EXCHANGE: &str = "amq.default";
/// 403: the user may not do this.
const ACCESS_REFUSED: u16 = 403;
/// 404: the exchange no longer exists, and neither do its bindings.
const NOT_FOUND: u16 = 404;
/// The number of destinations that are kept of each of the last two batches.
const RECENT: usize = 8;

/// The refusals of one session. See the module.
#[derive(Debug)]
pub(super) struct Refusals {
    inner: Mutex<Inner>,
    /// Whether the server has said why the current channel is closed.
    heard: watch::Sender<bool>,
}

#[derive(Debug)]
struct Inner {
    channel: Channel,
    recent: Recent,
    forbidden: Forbidden,
}

/// The destinations that may not be published to, in this session.
#[derive(Debug, Clone, Default)]
pub(super) struct Forbidden {
    exchanges: HashSet<ShortString>,
    /// Why nothing may be sent to single nodes, if that is so.
    queues: Option<Arc<str>>,
}

/// What to do about a channel that was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it was another channel.
    None,
    /// Report these topics, and continue.
    Report(Vec<String>),
    /// Give the session up. The next one restores what is missing.
    Lose,
}

impl Refusals {
    pub(super) fn new(channel: Channel) -> Self {
        let inner = Inner { channel, recent: Recent::default(), forbidden: Forbidden::default() };
        Self { inner: Mutex::new(inner), heard: watch::channel(false).0 }
    }

    /// Decides what to do about a channel that was closed for this reason.
    pub(super) fn closed(&self, why: &AMQPError) -> Verdict {
        let mut inner = self.inner.lock();
        if inner.channel.status().connected() || *self.heard.borrow() {
            return Verdict::None;
        }
        let (code, message) = (why.get_id(), why.get_message().as_str());
        let Inner { recent, forbidden, .. } = &mut *inner;
        let topics = match (code, exchange_in(message)) {
            (NOT_FOUND, _) => return Verdict::Lose,
            (ACCESS_REFUSED, Some(DEFAULT_EXCHANGE)) => {
                forbidden.queues = Some(message.into());
                recent.topics(|to| matches!(to, Destination::Queue(_)))
            }
            (ACCESS_REFUSED, Some(name)) => {
                forbidden.exchanges.extend(ShortString::try_new(name).ok());
                vec![name.to_owned()]
            }
            _ => recent.topics(|_| true),
        };
        self.heard.send_replace(true);
        Verdict::Report(topics)
    }

    /// Waits until the server has said why the channel is closed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn heard(&self) {
        // The sender lives as long as `self`.
        let _ = self.heard.subscribe().wait_for(|heard| *heard).await;
    }

    /// Replaces the channel that was closed.
    pub(super) fn replaced_by(&self, channel: Channel) {
        let mut inner = self.inner.lock();
        inner.channel = channel;
        inner.recent = Recent::default();
        self.heard.send_replace(false);
    }

    /// Notes that a batch with these destinations has been handed over.
    pub(super) fn handed_over(&self, batch: Vec<Destination>) {
        self.inner.lock().recent.push(batch);
    }

    pub(super) fn forbidden(&self) -> Forbidden {
        self.inner.lock().forbidden.clone()
    }
}

impl Forbidden {
    pub(super) fn exchange(&self, name: &ShortString) -> bool {
        self.exchanges.contains(name)
    }

    pub(super) fn queues(&self) -> Option<&str> {
        self.queues.as_deref()
    }
}

/// The destinations of the last two batches. The server answers late, so its answer may be about the one
/// before.
#[derive(Debug, Default)]
struct Recent([Vec<Destination>; 2]);

impl Recent {
    fn push(&mut self, batch: Vec<Destination>) {
        let [before, last] = &mut self.0;
        *before = std::mem::replace(last, batch);
    }

    /// The names of the destinations, each once.
    fn topics(&self, of: impl Fn(&Destination) -> bool) -> Vec<String> {
        let mut topics = Vec::new();
        for to in self.0.iter().flatten().filter(|to| of(to)) {
            let (Destination::Queue(name) | Destination::Exchange(name)) = to;
            let name = name.to_string();
            if !topics.contains(&name) {
                topics.push(name);
            }
        }
        topics
    }
}

/// Adds a destination, unless it is in the list, or the list is full.
pub(super) fn note(batch: &mut Vec<Destination>, to: &Destination) {
    if batch.len() < RECENT && !batch.contains(to) {
        batch.push(to.clone());
    }
}

/// The exchange that a reason names: `… write access to exchange 'NAME' in vhost …`.
fn exchange_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("exchange '")?;
    let (name, _) = rest.split_once('\'')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> Destination {
        Destination::Queue(name.into())
    }

    #[test]
    fn a_reason_names_the_exchange() {
        let refused =
            "ACCESS_REFUSED - write access to exchange 'MOL.INFO' in vhost '/' refused for user 'x'";
        assert_eq!(exchange_in(refused), Some("MOL.INFO"));
        assert_eq!(exchange_in("NOT_FOUND - no exchange 'MOL.INFO' in vhost '/'"), Some("MOL.INFO"));
        assert_eq!(exchange_in("PRECONDITION_FAILED - invalid message"), None);
        assert_eq!(exchange_in("exchange 'unfinished"), None);
    }

    #[test]
    fn the_last_two_batches_name_their_first_destinations_once() {
        let mut recent = Recent::default();
        recent.push(vec![queue("forgotten")]);
        recent.push(vec![queue("a"), Destination::Exchange("x".into())]);
        recent.push(vec![queue("b"), queue("a")]);
        assert_eq!(recent.topics(|_| true), ["a", "x", "b"]);
        assert_eq!(recent.topics(|to| matches!(to, Destination::Queue(_))), ["a", "b"]);
        let mut batch = Vec::new();
        for number in 0..100 {
            note(&mut batch, &queue(&(number % 20).to_string()));
        }
        assert_eq!(batch.len(), RECENT);
    }
}
