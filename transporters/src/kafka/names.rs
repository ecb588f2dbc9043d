//! The rules for the names of topics in Kafka.

use crate::{Link, PacketKind, Route, TransportError};

/// The largest length of a topic's name.
const LONGEST: usize = 249;

/// The rule for topics, in words.
pub(super) const ALLOWED: &str =
    "a topic of Kafka has letters of ASCII, digits, `.`, `_` and `-`, and at most 249 of them";

/// Whether a topic may have this name.
pub(super) fn is_valid(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= LONGEST && topic.bytes().all(is_allowed)
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Refuses a node whose topics could not exist or would be misread.
pub(super) fn check(link: &Link) -> Result<(), TransportError> {
    let (namespace, node) = (link.namespace(), link.node().as_str());
    if namespace.contains('.') {
        return Err(TransportError::Config(format!(
            "the namespace `{namespace}` contains a dot, which Kafka cannot carry: receivers find the kind of a packet behind the first dot of a topic; use `-` or `_` instead"
        )));
    }
    for (what, text) in [("namespace", namespace), ("node id", node)] {
        if let Some(wrong) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(is_allowed)) {
            return Err(TransportError::Config(format!(
                "the {what} `{text}` contains `{}`, which no topic of Kafka may: use letters, digits, `.`, `_` and `-`",
                wrong.escape_default()
            )));
        }
    }
    let own = Route::Node { id: link.node().clone(), addr: None };
    // No other packet to a single node has a longer name.
    if link.topics().to(&own, PacketKind::Discover).len() > LONGEST {
        return Err(TransportError::Config(format!(
            "the node id `{node}` makes topics of more than {LONGEST} characters, the most that Kafka allows: shorten it or the namespace"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, LinkOptions, NodeId, Sink};
    use std::sync::Arc;

    #[derive(Debug)]
    struct Nobody;

    impl Sink for Nobody {
        fn deliver(&self, _batch: &mut Batch<'_>) {}
    }

    fn checked(namespace: &str, node: &str) -> String {
        let link = Link::new(LinkOptions::new(NodeId::new(node).unwrap(), namespace), Arc::new(Nobody));
        check(&link).map_or_else(|why| why.to_string(), |()| "ok".to_owned())
    }

    #[tokio::test]
    async fn names_that_no_topic_can_carry_are_refused_with_the_reason() {
        assert_eq!(checked("", "node-1"), "ok");
        assert_eq!(checked("dev_2", "host.domain-123"), "ok");
        assert!(checked("a.b", "node").contains("namespace `a.b` contains a dot"));
        assert!(checked("a b", "node").contains("namespace `a b` contains ` `"));
        assert!(checked("", "node:1").contains("node id `node:1` contains `:`"));
        assert!(checked("größe", "node").contains("namespace `größe`"));
        assert_eq!(checked("", &"n".repeat(249 - "MOL.DISCOVER.".len())), "ok");
        assert!(checked("", &"n".repeat(237)).contains("more than 249"));
    }

    #[test]
    fn a_topic_is_checked_as_the_server_would() {
        assert!(is_valid("MOL-dev.REQ.node_1"));
        for wrong in ["", "MOL.REQ.a b", "MOL.REQ.ü", "MOL.REQ.\0"] {
            assert!(!is_valid(wrong), "{wrong:?}");
        }
        assert!(!is_valid(&"x".repeat(250)));
    }
}
