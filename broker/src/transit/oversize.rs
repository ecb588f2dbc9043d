//! An INFO that nodes with the usual limits refuse. Both sides log it, once.
//!
//! A node over a limit is invisible to the others, or they see its previous state. Nothing else would tell
//! anybody why.

use ligand_transporters::locks::Mutex;
use ligand_transporters::{NodeId, PacketKind, SendError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Transit;
use crate::protocol::{Packet, Raw};
use crate::serializer::{Json, PacketLimits, Problem, Serializer as _};

/// How many senders are remembered. Further ones are logged at debug level only.
const MAX_SENDERS: usize = 1024;

/// Which nodes were logged.
#[derive(Debug, Default)]
pub(super) struct Oversize {
    senders: Mutex<HashSet<NodeId>>,
    own: AtomicBool,
}

/// Which limit is exceeded, and by how much.
#[derive(Debug, PartialEq, Eq)]
struct Over {
    option: &'static str,
    limit: usize,
    found: usize,
}

impl Oversize {
    fn is_news(&self, sender: &NodeId) -> bool {
        let mut senders = self.senders.lock();
        senders.len() < MAX_SENDERS && senders.insert(sender.clone())
    }
}

impl Transit {
    /// Logs that the INFO of another node is refused, and what is wrong with its services, if that could be
    /// found.
    pub(crate) fn tell_refused_info(&self, node: &NodeId, services: Option<&Raw>, problem: &Problem) {
        if !self.refusals.oversize.is_news(node) {
            tracing::debug!(node = %node, error = %problem, "INFO refused");
            return;
        }
        match over(problem, services) {
            Some(Over { option, limit, found }) => tracing::warn!(
                node = %node, option, limit, found,
                "the INFO of a node is over a limit and is refused, so the node stays unseen or as it was: raise {option} on every node, or let several nodes host its services (said once per node)"
            ),
            None => tracing::warn!(
                node = %node, error = %problem,
                "the INFO of a node cannot be read, so the node stays unseen or as it was (said once per node)"
            ),
        }
    }

    /// Checks whether other nodes accept this node's INFO, as far as that can be known here. It uses the
    /// default limits, or this node's own where those are higher.
    pub(crate) fn tell_own_oversize(&self, info: &[u8]) {
        if self.refusals.oversize.own.load(Ordering::Relaxed) {
            return;
        }
        let Some(record) = self.info_record(&Json, info) else { return };
        let limits = self.usual_limits();
        let (services, problem) = match Json.decode(PacketKind::Info, record, &limits) {
            Ok(incoming) => {
                let Packet::Info(info) = incoming.packet else { return };
                let Err(problem) = Json.services(&info.services_raw, &limits) else { return };
                (Some(info.services_raw), problem)
            }
            Err(error) => (None, error.problem),
        };
        self.refusals.oversize.own.store(true, Ordering::Relaxed);
        match over(&problem, services.as_ref()) {
            Some(Over { option, limit, found }) => tracing::warn!(
                node = %self.node, option, limit, found,
                "this node is over a limit: nodes on which {option} is not raised will not see it; raise it on every node, or let several nodes host these services"
            ),
            None => tracing::warn!(
                node = %self.node, error = %problem,
                "other nodes cannot read what this node says of itself and will not see it"
            ),
        }
    }

    /// Logs that this node's INFO does not fit into a packet. With gossip, nobody would notice otherwise.
    pub(crate) fn tell_own_too_large(&self, error: &SendError) {
        if !self.refusals.oversize.own.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                node = %self.node, error = %error,
                "what this node says of itself is too large for the transporter, and other nodes will not see it: let several nodes host these services"
            );
        }
    }

    fn usual_limits(&self) -> PacketLimits {
        let (own, usual) = (&self.wire.limits, PacketLimits::default());
        PacketLimits {
            depth: own.depth.max(usual.depth),
            string: own.string.max(usual.string),
            entries: own.entries.max(usual.entries),
            name: own.name.max(usual.name),
            id: own.id.max(usual.id),
            services: own.services.max(usual.services),
            actions: own.actions.max(usual.actions),
            ..usual
        }
    }
}

/// Which option's limit an INFO exceeds, and by how much.
fn over(problem: &Problem, services: Option<&Raw>) -> Option<Over> {
    let Problem::Limit { what, limit, .. } = problem else { return None };
    let (option, found) = match *what {
        "services" => ("transit.limits.services", sizes(services).map(|sizes| sizes.len())),
        "actions of a service" => {
            ("transit.limits.actions", sizes(services).and_then(|all| all.iter().map(Size::actions).max()))
        }
        "events of a service" => {
            ("transit.limits.actions", sizes(services).and_then(|all| all.iter().map(Size::events).max()))
        }
        "depth of nesting" => ("transit.limits.depth", None),
        "length of a string" => ("transit.limits.string", None),
        "number of entries" => ("transit.limits.entries", None),
        "instanceID" => ("transit.limits.id", None),
        "hostname" | "action.name" | "event.name" | "event.group" | "service.name" | "service.fullName"
        | "service.version" => ("transit.limits.name", None),
        _ => return None,
    };
    // If the size was not counted, it is at least one above the limit.
    Some(Over { option, limit: *limit, found: found.unwrap_or(0).max(limit.saturating_add(1)) })
}

/// How many actions and events a service has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Size {
    actions: Option<BTreeMap<String, IgnoredAny>>,
    events: Option<BTreeMap<String, IgnoredAny>>,
}

impl Size {
    fn actions(&self) -> usize {
        self.actions.as_ref().map_or(0, BTreeMap::len)
    }

    fn events(&self) -> usize {
        self.events.as_ref().map_or(0, BTreeMap::len)
    }
}

/// Counts again. That is worth it once per sender.
fn sizes(services: Option<&Raw>) -> Option<Vec<Size>> {
    serde_json::from_slice(services?.bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(services: &str) -> Raw {
        Raw::new(services.to_owned().into())
    }

    fn refused(services: &str, limits: &PacketLimits) -> Over {
        let services = raw(services);
        over(&Json.services(&services, limits).unwrap_err(), Some(&services)).unwrap()
    }

    #[test]
    fn the_option_and_both_numbers_are_named_for_each_limit_of_services() {
        let limits = PacketLimits { services: 3, actions: 2, name: 20, ..PacketLimits::default() };
        let services = [r#"{"name":"a"}"#; 5].join(",");
        let over = |option, limit, found| Over { option, limit, found };
        assert_eq!(refused(&format!("[{services}]"), &limits), over("transit.limits.services", 3, 5));
        let members = |n| (0..n).map(|n| format!(r#""x{n}":{{}}"#)).collect::<Vec<_>>().join(",");
        for (part, n) in [("actions", 4), ("events", 7)] {
            let services = format!(r#"[{{"name":"a"}},{{"name":"b","{part}":{{{}}}}}]"#, members(n));
            assert_eq!(refused(&services, &limits), over("transit.limits.actions", 2, n));
        }
        let long = "x".repeat(30);
        for services in [
            format!(r#"[{{"name":"{long}"}}]"#),
            format!(r#"[{{"name":"a","fullName":"{long}"}}]"#),
            format!(r#"[{{"name":"a","version":"{long}"}}]"#),
            format!(r#"[{{"name":"a","actions":{{"b":{{"name":"{long}"}}}}}}]"#),
            format!(r#"[{{"name":"a","events":{{"b":{{"name":"{long}"}}}}}}]"#),
            format!(r#"[{{"name":"a","events":{{"b":{{"group":"{long}"}}}}}}]"#),
        ] {
            assert_eq!(refused(&services, &limits).option, "transit.limits.name", "{services}");
        }
    }

    #[test]
    fn a_sender_is_named_once_and_so_many_at_most() {
        let oversize = Oversize::default();
        let named = (0..3 * MAX_SENDERS)
            .filter(|n| oversize.is_news(&NodeId::foreign(format!("n{}", n / 2)).unwrap()))
            .count();
        assert_eq!(named, MAX_SENDERS);
    }
}
