//! Opens sessions.

use async_trait::async_trait;
use rdkafka::error::KafkaError;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::events::{EventContext, Events};
use super::handles::{Handles, aside};
use super::session::KafkaSession;
use super::topics::Topics as ServerTopics;
use super::{KafkaOptions, Partitioning, names, settings};
use crate::bus::{Client, Port};
use crate::{Link, PacketKind, Route, Topics, TransportError};

/// Opens sessions. The rest of the crate sees one server, because librdkafka finds its way among several.
pub(super) struct KafkaClient {
    options: Arc<KafkaOptions>,
    /// The key by which frames are partitioned.
    key: Option<Arc<str>>,
}

impl KafkaClient {
    pub(super) fn new(options: &KafkaOptions, link: &Link) -> Self {
        let key = (options.partitioning == Partitioning::Keyed).then(|| link.node().as_str().into());
        Self { options: Arc::new(options.clone()), key }
    }

    fn name(&self) -> String {
        let scheme = if self.options.is_tls() { "kafka+tls" } else { "kafka" };
        format!("{scheme}://{}", self.options.addresses())
    }
}

#[async_trait]
impl Client for KafkaClient {
    type Topic = Arc<str>;
    type Session = KafkaSession;

    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self::Topic, &'static str> {
        let topic = topics.to(to, kind);
        if names::is_valid(&topic) { Ok(topic.into()) } else { Err(names::ALLOWED) }
    }

    fn servers(&self) -> usize {
        1
    }

    fn server(&self, _number: usize) -> String {
        self.name()
    }

    async fn open(&self, _server: usize, port: &Port) -> Result<KafkaSession, TransportError> {
        let events = Arc::new(Events::new(port.clone()));
        let (options, told) = (Arc::clone(&self.options), Arc::clone(&events));
        let until = Instant::now() + port.limits().connect_timeout;
        let opening = aside(move |stop| {
            settings::check_files(&options)?;
            let wrong = |why: KafkaError| TransportError::Config(format!("Kafka's client: {}", plain(&why)));
            let producer = settings::producer(&options)
                .create_with_context(EventContext(Arc::clone(&told)))
                .map_err(wrong)?;
            let group = new_group();
            let consumer = settings::consumer(&options, &group)
                .create_with_context(EventContext(Arc::clone(&told)))
                .map_err(wrong)?;
            let handles = Handles::new(producer, consumer);
            // The clients connect by themselves. This call shows that one of them has.
            ServerTopics { handles: &handles, events: &told, options: &options, stop }
                .metadata(None, until)?;
            Ok(handles)
        });
        let failed = |why: String| TransportError::connect(self.name(), why);
        let handles = tokio::select! {
            biased;
            why = events.lost() => return Err(failed(why)),
            opened = opening => opened.map_err(|why| match why {
                TransportError::Lost(why) => failed(why),
                why => why,
            })?,
        };
        Ok(KafkaSession::new(handles, events, Arc::clone(&self.options), self.key.clone(), port))
    }
}

impl fmt::Debug for KafkaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaClient").field("server", &self.name()).finish_non_exhaustive()
    }
}

/// The text of an error, without the values of settings, which may be secret.
fn plain(why: &KafkaError) -> String {
    match why {
        KafkaError::ClientConfig(_, what, name, _) => format!("the setting `{name}` is refused: {what}"),
        why => why.to_string(),
    }
}

/// The id of a group that has never been used, in the form of an instance id, which Node uses.
fn new_group() -> String {
    let random = rand::random::<u128>();
    let field = |shift: u32, digits: u32| (random >> shift) & ((1 << (4 * digits)) - 1);
    let (a, b, c, d, e) = (field(96, 8), field(80, 4), field(64, 3), field(48, 3), field(0, 12));
    format!("{a:08x}-{b:04x}-4{c:03x}-a{d:03x}-{e:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_look_like_instance_ids_and_differ() {
        let group = new_group();
        let lengths: Vec<_> = group.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_ne!(group, new_group());
    }
}
