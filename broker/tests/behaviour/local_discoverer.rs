//! Moleculer's own way of discovery by its name, as configurations of Node's may have it.

use ligand::ServiceBroker;
use ligand::config::DiscovererConfig;
use serde_json::json;
use tracing::Level;

use tests_support::log::Log;

/// What is said of it while a broker is built.
fn said(discoverer: DiscovererConfig) -> String {
    let log = Log::of_this_thread(Level::WARN);
    let broker = ServiceBroker::builder();
    broker.configure(move |config| config.registry.discoverer = Some(discoverer)).build().unwrap();
    log.with("discoverer").join("\n")
}

#[test]
fn options_of_the_discoverer_local_are_passed_over_with_a_warning() {
    let options = json!({ "heartbeatInterval": 5, "disableHeartbeatChecks": true });
    let options = options.as_object().unwrap().clone();
    let warning = said(DiscovererConfig::with_options("Local", options));
    assert!(warning.contains("disableHeartbeatChecks, heartbeatInterval"), "{warning}");
    assert_eq!(said("Local".into()), "");
}
