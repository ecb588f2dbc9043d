//! Subjects and queue groups of NATS (protocol chapter 3.2).

use async_nats::Subject;

use crate::{Subscription, Topics};

/// A subject to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interest {
    pub(super) subject: String,
    /// The queue group. Each message goes to one of its members.
    pub(super) queue: Option<String>,
}

impl Interest {
    pub(super) fn of(topics: &Topics, subscription: &Subscription) -> Self {
        match subscription {
            Subscription::BalancedRequest { action } => {
                Self { subject: topics.of(subscription), queue: Some(action.to_string()) }
            }
            Subscription::BalancedEvent { event, group } => {
                // This subject delivers more than the pattern says. The receiver filters the rest.
                let event = match event.find("**") {
                    Some(at) => format!("{}>", &event[..at]).into(),
                    None => event.clone(),
                };
                let subscription = Subscription::BalancedEvent { event, group: group.clone() };
                Self { subject: topics.of(&subscription), queue: Some(group.to_string()) }
            }
            _ => Self { subject: topics.of(subscription), queue: None },
        }
    }
}

/// The rule for subjects. A blank ends the subject for the server. Nobody is subscribed to a subject with an
/// empty part, whatever the patterns say.
const ALLOWED: &str =
    "a NATS subject has no blanks and no control characters, and none of its parts, between dots, is empty";

/// The subject to publish to.
///
/// # Errors
/// The rule for subjects, if the topic breaks it.
pub(super) fn subject(topic: String) -> Result<Subject, &'static str> {
    let unreadable = topic.contains(|c: char| c.is_ascii_whitespace() || c.is_control());
    if unreadable || topic.split('.').any(str::is_empty) { Err(ALLOWED) } else { Ok(topic.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, PacketKind};

    fn interest(subscription: &Subscription) -> (String, Option<String>) {
        let topics = Topics::new("dev", NodeId::new("node-2").unwrap());
        let Interest { subject, queue } = Interest::of(&topics, subscription);
        (subject, queue)
    }

    #[test]
    fn subjects_and_queue_groups_are_those_of_node() {
        let event = |event: &str, group: &str| {
            interest(&Subscription::BalancedEvent { event: event.into(), group: group.into() })
        };
        for (pattern, subject) in [
            ("user.created", "MOL-dev.EVENTB.math.user.created"),
            ("order.*", "MOL-dev.EVENTB.math.order.*"),
            ("pay.**", "MOL-dev.EVENTB.math.pay.>"),
            ("a.?c", "MOL-dev.EVENTB.math.a.?c"),
            ("x.**.y", "MOL-dev.EVENTB.math.x.>"),
            ("**", "MOL-dev.EVENTB.math.>"),
        ] {
            assert_eq!(event(pattern, "math"), (subject.to_owned(), Some("math".to_owned())));
        }
        let request = Subscription::BalancedRequest { action: "$node.list".into() };
        assert_eq!(interest(&request), ("MOL-dev.REQB.$node.list".to_owned(), Some("$node.list".to_owned())));
        let own = Subscription::Own(PacketKind::Request);
        assert_eq!(interest(&own), ("MOL-dev.REQ.node-2".to_owned(), None));
    }

    #[test]
    fn a_name_with_blanks_or_empty_parts_is_no_subject() {
        for topic in ["MOL.RES.a b", "MOL.RES.a\r\nPUB b 0", "MOL.RES.\t", "MOL.RES.\u{1}", "MOL.RES.\u{85}"]
        {
            assert_eq!(subject(topic.to_owned()), Err(ALLOWED), "{topic:?}");
        }
        for topic in ["MOL.EVENTB.g.", "MOL.EVENTB.g.a..b", "MOL.EVENTB.g.a.", "MOL.EVENTB.g..a"] {
            assert_eq!(subject(topic.to_owned()), Err(ALLOWED), "{topic:?}");
        }
        for topic in ["MOL.RES.ä-1", "MOL.EVENTB.g.a/b+c#d:e"] {
            assert_eq!(subject(topic.to_owned()), Ok(Subject::from(topic)));
        }
    }
}
