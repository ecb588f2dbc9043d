//! Names of topics, queues and exchanges (protocol chapter 3).

use crate::{NodeId, PacketKind, Route, Subscription};

/// Builds and reads topic names: `MOL[-namespace].CMD[.node]`.
#[derive(Debug, Clone)]
pub struct Topics {
    prefix: String,
    separator: String,
    node: NodeId,
}

impl Topics {
    /// The topics of one node in one namespace (empty for none), with `.` between the parts.
    #[must_use]
    pub fn new(namespace: &str, node: NodeId) -> Self {
        let prefix = if namespace.is_empty() { "MOL".to_owned() } else { format!("MOL-{namespace}") };
        Self { prefix, separator: ".".to_owned(), node }
    }

    /// The same topics with another separator (MQTT's `topicSeparator`).
    #[must_use]
    pub fn with_separator(mut self, separator: &str) -> Self {
        separator.clone_into(&mut self.separator);
        self
    }

    /// `MOL` or `MOL-<namespace>`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic to subscribe to.
    #[must_use]
    pub fn of(&self, subscription: &Subscription) -> String {
        match subscription {
            Subscription::Broadcast(kind) => self.join(&[kind.as_str()]),
            Subscription::Own(kind) => self.join(&[kind.as_str(), self.node.as_str()]),
            Subscription::BalancedRequest { action } => self.join(&["REQB", action]),
            Subscription::BalancedEvent { event, group } => self.join(&["EVENTB", group, event]),
        }
    }

    /// The topic to publish to.
    #[must_use]
    pub fn to(&self, route: &Route, kind: PacketKind) -> String {
        match route {
            Route::Broadcast => self.join(&[kind.as_str()]),
            Route::Node { id, .. } => self.join(&[kind.as_str(), id.as_str()]),
            Route::BalancedRequest { action } => self.join(&["REQB", action]),
            Route::BalancedEvent { event, group } => self.join(&["EVENTB", group, event]),
        }
    }

    /// The kind of packet that arrives on a topic. `None` if the topic belongs to another namespace.
    #[must_use]
    pub fn kind_of(&self, topic: &str) -> Option<PacketKind> {
        let rest = topic.strip_prefix(&self.prefix)?.strip_prefix(&self.separator)?;
        match rest.split(&self.separator).next()? {
            "REQB" => Some(PacketKind::Request),
            "EVENTB" => Some(PacketKind::Event),
            name => PacketKind::named(name),
        }
    }

    fn join(&self, parts: &[&str]) -> String {
        let mut topic = self.prefix.clone();
        for part in parts {
            topic.push_str(&self.separator);
            topic.push_str(part);
        }
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(namespace: &str) -> Topics {
        Topics::new(namespace, NodeId::new("node-2").unwrap())
    }

    #[test]
    fn names_are_those_of_node() {
        let dev = topics("dev");
        assert_eq!(dev.of(&Subscription::Own(PacketKind::Request)), "MOL-dev.REQ.node-2");
        assert_eq!(dev.of(&Subscription::Broadcast(PacketKind::Info)), "MOL-dev.INFO");
        assert_eq!(topics("").to(&Route::Broadcast, PacketKind::Disconnect), "MOL.DISCONNECT");
        let balanced = Subscription::BalancedEvent { event: "order.*".into(), group: "og".into() };
        assert_eq!(dev.of(&balanced), "MOL-dev.EVENTB.og.order.*");
        assert_eq!(
            dev.clone().with_separator("/").of(&Subscription::Own(PacketKind::Request)),
            "MOL-dev/REQ/node-2"
        );
    }

    #[test]
    fn every_kind_of_packet_has_its_name_in_topics() {
        let names = PacketKind::ALL.map(|kind| topics("").of(&Subscription::Broadcast(kind)));
        let nodes = ["EVENT", "REQ", "RES", "DISCOVER", "INFO", "DISCONNECT", "HEARTBEAT", "PING", "PONG"];
        assert_eq!(names[..nodes.len()], nodes.map(|name| format!("MOL.{name}")));
        let balanced = Route::BalancedRequest { action: "math.add".into() };
        assert_eq!(topics("dev").to(&balanced, PacketKind::Request), "MOL-dev.REQB.math.add");
    }

    #[test]
    fn the_kind_is_read_back_from_the_topic() {
        let dev = topics("dev");
        for kind in PacketKind::ALL {
            assert_eq!(dev.kind_of(&dev.of(&Subscription::Own(kind))), Some(kind));
        }
        assert_eq!(dev.kind_of("MOL-dev.REQB.math.add"), Some(PacketKind::Request));
        assert_eq!(dev.kind_of("MOL-other.REQ.node-2"), None);
        assert_eq!(dev.kind_of("MOL-devil.REQ.node-2"), None);
        assert_eq!(dev.kind_of("MOL-dev.NOPE"), None);
    }
}
