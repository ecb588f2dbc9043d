//! Finds values that are readable but cannot work.

use std::net::IpAddr;

use ligand_transporters::NodeId;

use super::error::ConfigError;
use super::kind::{Kind, describe, value_at};
use super::source::Origins;
use super::table::{OPTIONS, Row};
use super::{BrokerConfig, Protocol};

/// The longest namespace in bytes. Together with a node id it has to fit into a topic name.
const LONGEST_NAMESPACE: usize = 128;

/// Checks the range of each option, and then combinations of options.
pub(super) fn check(config: &BrokerConfig, origins: &Origins) -> Result<(), ConfigError> {
    check_ranges(config, OPTIONS.iter(), origins)?;
    let unusable = |path: &str, reason: String| {
        Err(ConfigError::Unusable { path: path.to_owned(), origin: origins.of(path), reason })
    };
    if let Some(reason) = wrong_namespace(&config.namespace) {
        return unusable("namespace", reason);
    }
    if let Some(Err(invalid)) = config.node_id.as_deref().map(NodeId::new) {
        return unusable("nodeID", invalid.to_string());
    }
    if config.heartbeat_timeout <= config.heartbeat_interval {
        return unusable(
            "heartbeatTimeout",
            "it must be longer than `heartbeatInterval`, or living nodes are taken for dead: three times as long is usual"
                .into(),
        );
    }
    if let Some(Err(reason)) = config.registry.discoverer.as_ref().map(super::DiscovererConfig::redis) {
        return unusable("registry.discoverer", reason);
    }
    if config.transit.strict_version && config.transit.disable_version_check {
        return unusable(
            "transit.disableVersionCheck",
            "it contradicts `transit.strictVersion`: remove one of them".into(),
        );
    }
    if config.transit.strict_version && config.protocol == Protocol::Both {
        return unusable(
            "transit.strictVersion",
            "it drops what `protocol = \"both\"` is there for: remove one of them".into(),
        );
    }
    if let Some(hostname) = &config.advertise.hostname
        && (hostname.is_empty()
            || hostname.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/'))
    {
        return unusable(
            "advertise.hostname",
            "it must be a host name or address, without scheme and port".into(),
        );
    }
    let addresses = config.advertise.ip_list.iter().flatten();
    if let Some(wrong) = addresses.into_iter().find(|address| address.parse::<IpAddr>().is_err()) {
        let reason =
            format!("{} is no IP address, such as 10.0.0.1 or fd00::1", describe(&wrong.as_str().into()));
        return unusable("advertise.ipList", reason);
    }
    Ok(())
}

/// Checks a configuration that was made in code, before other sources are merged into it. Written as text,
/// its zero would be read as Moleculer's zero, which means no limit.
pub(super) fn check_base(config: &BrokerConfig) -> Result<(), ConfigError> {
    let timeouts = OPTIONS.iter().filter(|row| matches!(row.kind, Kind::Timeout));
    check_ranges(config, timeouts, &Origins::default())
}

fn check_ranges<'a>(
    config: &BrokerConfig,
    rows: impl Iterator<Item = &'a Row>,
    origins: &Origins,
) -> Result<(), ConfigError> {
    let tree = config.to_plain_tree();
    for row in rows {
        let Some(value) = value_at(&tree, row.path) else { continue };
        if !row.kind.admits(value) {
            return Err(ConfigError::InvalidValue {
                path: row.path.to_owned(),
                origin: origins.of(row.path),
                found: describe(value),
                expected: row.kind.expected_instead_of(value),
            });
        }
    }
    Ok(())
}

/// Why this namespace cannot be part of topic names (protocol chapter 2.2).
fn wrong_namespace(namespace: &str) -> Option<String> {
    const USE: &str = "use letters, digits, - _ and .";
    if namespace.len() > LONGEST_NAMESPACE {
        return Some(format!(
            "it may have at most {LONGEST_NAMESPACE} bytes, this one has {}",
            namespace.len()
        ));
    }
    let wrong = namespace.chars().find(|c| c.is_control() || c.is_whitespace() || "*>#+/|".contains(*c))?;
    Some(format!("{wrong:?} means something else in the topic names of some transporters: {USE}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Timeout;

    fn refused(change: impl FnOnce(&mut BrokerConfig)) -> String {
        let mut config = BrokerConfig::default();
        change(&mut config);
        config.validate().map_or_else(|error| error.to_string(), |()| String::from("accepted"))
    }

    #[test]
    fn the_default_is_valid() {
        assert_eq!(refused(|_| ()), "accepted");
        assert_eq!(refused(|config| config.request_timeout = Timeout::Never), "accepted");
        assert_eq!(refused(|config| config.max_call_level = 0), "accepted");
    }

    #[test]
    fn namespaces_that_no_topic_can_carry_are_refused() {
        for bad in ["a b", "a*", "a>", "a#", "a+", "a/b", "a|b", "a\nb", "\u{7f}"] {
            let message = refused(|config| config.namespace = bad.into());
            assert!(
                message.starts_with("`namespace` in the configuration given in code cannot work"),
                "{message}"
            );
        }
        for good in ["", "dev", "eu-1_a.b", "grün"] {
            assert_eq!(refused(|config| config.namespace = good.into()), "accepted", "{good}");
        }
        assert_ne!(refused(|config| config.namespace = "x".repeat(129)), "accepted");
    }

    #[test]
    fn what_is_out_of_range_says_which_range() {
        assert_eq!(
            refused(|config| config.transit.max_in_flight = 0),
            "`transit.maxInFlight` in the configuration given in code is 0: expected a whole number of requests from 1 to 100000000"
        );
        assert_eq!(
            refused(|config| config.transit.limits.depth = 129),
            "`transit.limits.depth` in the configuration given in code is 129: expected a whole number of levels from 8 to 128"
        );
        assert_eq!(
            refused(|config| config.ping_timeout = Duration::ZERO),
            "`pingTimeout` in the configuration given in code is \"0s\": expected a duration above zero such as \"5s\", \"100ms\" or \"1m30s\", or a number of milliseconds"
        );
        let zeros: [fn(&mut BrokerConfig); 3] = [
            |config| config.request_timeout = Duration::ZERO.into(),
            |config| config.dependency_timeout = Duration::ZERO.into(),
            |config| config.transit.connect_timeout = Duration::ZERO.into(),
        ];
        for zero in zeros {
            let message = refused(zero);
            assert!(
                message.contains("is \"0s\"") && message.contains("`Timeout::Never` is no limit"),
                "{message}"
            );
        }
        assert!(
            refused(|config| config.request_timeout = Timeout::After(Duration::MAX))
                .contains("the longest duration is 365d")
        );
        assert_ne!(refused(|config| config.advertise.port = Some(0)), "accepted");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(
            refused(|config| config.heartbeat_timeout = Duration::from_secs(10))
                .contains("longer than `heartbeatInterval`")
        );
        assert!(
            refused(|config| {
                config.transit.strict_version = true;
                config.transit.disable_version_check = true;
            })
            .contains("`transit.strictVersion`")
        );
        assert!(
            refused(|config| {
                config.transit.strict_version = true;
                config.protocol = Protocol::Both;
            })
            .contains("`protocol = \"both\"`")
        );
        assert!(refused(|config| config.node_id = Some("a b".into())).contains("node id `a b` holds ' '"));
        assert!(
            refused(|config| config.advertise.hostname = Some("tcp://x".into())).contains("without scheme")
        );
        assert!(
            refused(|config| config.advertise.ip_list = Some(vec!["10.0.0.1".into(), "host".into()]))
                .contains("\"host\" is no IP address")
        );
    }
}
