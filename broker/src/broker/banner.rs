//! What a node logs about itself at its start: one line at info before it connects, and one when it is ready.

use std::time::Duration;

use super::ServiceBroker;

/// The number of services, or of actions, that one line names.
const NAMED: usize = 20;

impl ServiceBroker {
    /// Logs that the node starts, and where it will connect.
    pub(super) fn log_starting(&self) {
        tracing::info!(
            node = %self.node_id(),
            namespace = self.config().namespace,
            transporter = self.transporter_url(),
            version = env!("CARGO_PKG_VERSION"),
            "broker starting"
        );
    }

    /// Logs what runs, where, and how long the start took.
    pub(super) fn log_ready(&self, took: Duration) {
        let shared = self.shared();
        let (mut services, mut actions) = (Vec::new(), Vec::new());
        // The broker's own services are not listed.
        for hosted in shared.services.all().iter().filter(|hosted| !hosted.name().starts_with('$')) {
            services.push(hosted.name().to_string());
            let own = hosted.def.actions.iter().map(|(def, _)| hosted.def.action_name(&def.name).to_string());
            actions.extend(own);
        }
        let elapsed_ms = took.as_millis();
        tracing::info!(
            node = %self.node_id(),
            namespace = shared.config.namespace,
            transporter = self.transporter_url(),
            listens_on = shared.transit().and_then(|transit| transit.listens_on()).map(tracing::field::display),
            services = services.len(),
            service_names = listed(&services),
            actions = actions.len(),
            action_names = listed(&actions),
            elapsed_ms,
            "broker started, ready after {elapsed_ms} ms"
        );
    }

    /// The URL of the servers that it connects to, without secrets.
    fn transporter_url(&self) -> String {
        match &self.shared().transporter {
            Some(transporter) => crate::config::redact(&transporter.url()),
            None => "none".to_owned(),
        }
    }
}

/// The first of these names, and the number of the others.
fn listed(names: &[String]) -> Option<String> {
    let (named, others) = names.split_at(names.len().min(NAMED));
    let list = named.join(", ");
    match others.len() {
        _ if names.is_empty() => None,
        0 => Some(list),
        more => Some(format!("{list}, and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_bounded() {
        let names = |n: usize| (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>();
        assert_eq!(listed(&names(0)), None);
        assert_eq!(listed(&names(2)).as_deref(), Some("s0, s1"));
        let all = listed(&names(NAMED)).unwrap();
        assert!(all.ends_with(", s19"), "{all}");
        assert!(listed(&names(1_000)).unwrap().ends_with(", s19, and 980 more"));
    }
}
