//! What the library reports besides messages: errors of the server, dropped messages, and the end.

use async_nats::{Event, ServerError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

use super::refusal::refusal;
use crate::bus::Port;
use crate::locks::{Mutex, MutexGuard};
use crate::{PacketKind, TransportError};

/// The end of the subjects by which a session sends messages to itself.
pub(super) const ECHO: &str = ".ligand-echo";

/// Shared by a session and the callback of its client.
#[derive(Debug)]
pub(super) struct Signals {
    port: Port,
    heard: watch::Sender<Heard>,
    /// The packet kinds of subscriptions, by the library's number.
    kinds: Mutex<HashMap<u64, PacketKind>>,
}

#[derive(Debug, Default)]
struct Heard {
    over: bool,
    /// The last error of the server that names no subject.
    error: Option<String>,
    /// The errors since [`Signals::listen`]. `None` while nobody listens.
    errors: Option<Errors>,
    /// The subjects of accepted subscriptions, each with the number of times it was subscribed to.
    standing: HashMap<String, usize>,
    /// The first of them that the server took away, and what the server said.
    taken: Option<(String, String)>,
}

/// Errors of the server, each with the subject that it names.
type Errors = Vec<(Option<String>, String)>;

/// The number of errors that are kept for one listener.
const MAX_ERRORS: usize = 1024;

impl Signals {
    pub(super) fn new(port: Port) -> Arc<Self> {
        Arc::new(Self { port, heard: watch::Sender::default(), kinds: Mutex::default() })
    }

    /// The callback for the library. When the library drops it, the library's tasks have ended.
    pub(super) fn callback(self: &Arc<Self>) -> impl Fn(Event) + Send + Sync + 'static {
        let last = Ended(Arc::clone(self));
        move |event| last.0.event(event)
    }

    fn event(&self, event: Event) {
        match event {
            Event::Disconnected | Event::Closed => self.end(),
            Event::ServerError(ServerError::Other(error)) => self.error(error),
            Event::ServerError(error) => self.error(error.to_string()),
            Event::SlowConsumer(number) => {
                let kind = self.kinds().get(&number).copied();
                self.port.link().dropped(kind.unwrap_or(PacketKind::Event));
            }
            // The server asks its clients to leave one by one. Until it is this one's turn, the server
            // continues to serve it.
            Event::LameDuckMode => {
                if let Some(left_out) = self.port.link().log_line("NATS lame duck") {
                    tracing::warn!(
                        left_out = (left_out > 0).then_some(left_out),
                        "the NATS server is about to stop"
                    );
                }
            }
            Event::Connected | Event::Draining | Event::ClientError(_) => {}
        }
    }

    fn error(&self, error: String) {
        let about = refusal(&error);
        let mut listening = false;
        self.heard.send_modify(|heard| match (&about, &mut heard.errors) {
            (Some(about), _) if !about.publish && heard.standing.contains_key(&about.subject) => {
                heard.taken.get_or_insert_with(|| (about.subject.clone(), error.clone()));
            }
            (_, Some(errors)) if errors.len() < MAX_ERRORS => {
                listening = true;
                errors.push((about.as_ref().map(|about| about.subject.clone()), error.clone()));
            }
            (Some(_), _) => {}
            (None, _) => heard.error = Some(error.clone()),
        });
        // A listener learns about subscriptions itself.
        if let Some(about) = about
            && (about.publish || !listening)
            && !about.subject.ends_with(ECHO)
        {
            self.port.refused(&TransportError::refused(about.subject, error));
        }
    }

    fn end(&self) {
        self.heard.send_modify(|heard| heard.over = true);
    }

    /// Collects errors until the result is dropped, and does not report those about subscriptions. Only one
    /// listener at a time.
    pub(super) fn listen(&self) -> Listening<'_> {
        self.heard.send_modify(|heard| heard.errors = Some(Vec::new()));
        Listening(self)
    }

    /// Resolves with the reason once the connection is gone.
    pub(super) async fn over(&self) -> TransportError {
        let mut heard = self.heard.subscribe();
        let error = match heard.wait_for(|heard| heard.over).await {
            Ok(heard) => heard.error.clone(),
            Err(_) => None,
        };
        TransportError::Lost(match error {
            Some(error) => format!("the NATS server closed the connection: {error}"),
            None => "the NATS server closed the connection".to_owned(),
        })
    }

    /// Resolves once the server has taken away a subscription that it had accepted.
    pub(super) async fn taken(&self) -> TransportError {
        let mut heard = self.heard.subscribe();
        // An error means that the sender is gone, which cannot happen while `self` is borrowed.
        let taken = heard.wait_for(|heard| heard.taken.is_some()).await.ok();
        let (subject, error) = taken.and_then(|heard| heard.taken.clone()).unwrap_or_default();
        TransportError::refused(subject, error)
    }

    /// Notes that this node is about to end these subscriptions.
    pub(super) fn given_up<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        self.heard.send_modify(|heard| {
            for subject in subjects {
                if let Some(count) = heard.standing.get_mut(subject) {
                    *count -= 1;
                    if *count == 0 {
                        heard.standing.remove(subject);
                    }
                }
            }
        });
    }

    pub(super) fn subscribed(&self, number: u64, kind: PacketKind) {
        self.kinds().insert(number, kind);
    }

    pub(super) fn unsubscribed(&self, number: u64) {
        self.kinds().remove(&number);
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<u64, PacketKind>> {
        self.kinds.lock()
    }
}

/// Errors of the server from here on.
pub(super) struct Listening<'a>(&'a Signals);

impl Listening<'_> {
    /// The first of these subjects to which the server refused a subscription, and what it said. If there is
    /// none, the subscriptions stand, and any later error about them means that they are taken away.
    pub(super) fn stands(&self, subjects: &[&str]) -> Option<(String, String)> {
        let about = |subject: &Option<String>| match subject {
            // An error about another subject belongs to something else that is going on.
            Some(subject) => subjects.contains(&subject.as_str()).then(|| subject.clone()),
            None => Some(subjects.first().copied().unwrap_or_default().to_owned()),
        };
        let mut refused = None;
        self.0.heard.send_modify(|heard| {
            let mut errors = heard.errors.iter().flatten();
            refused = errors.find_map(|(subject, error)| Some((about(subject)?, error.clone())));
            if refused.is_none() {
                for subject in subjects {
                    *heard.standing.entry((*subject).to_owned()).or_default() += 1;
                }
            }
        });
        refused
    }

    /// Resolves once the server has refused this subject.
    pub(super) async fn refused(&self, subject: &str) {
        let named = |errors: &Errors| errors.iter().any(|(about, _)| about.as_deref() == Some(subject));
        let mut heard = self.0.heard.subscribe();
        // An error means that the sender is gone, which cannot happen while it is borrowed.
        let _ = heard.wait_for(|heard| heard.errors.as_ref().is_some_and(named)).await;
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.heard.send_modify(|heard| heard.errors = None);
    }
}

struct Ended(Arc<Signals>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}
