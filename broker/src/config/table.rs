//! The table of all options, in the order of the reference.
//!
//!
//! The types say what can be read. This table has the names of the options, so that the error for a typo can
//! suggest the nearest name, and it words the errors. A test checks that both agree.

use super::kind::Kind;
use super::{OnIdConflict, Protocol, SerializerKind, StrategyKind};

/// An option: its keys joined by dots, and what it accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
}

const fn row(path: &'static str, kind: Kind) -> Row {
    Row { path, kind }
}

/// Groups that may be written as a single `true` or `false`, and the key that the value sets.
pub(super) const SWITCHED_GROUPS: &[(&str, &str)] = &[("internalServices", "enabled")];

/// Other accepted spellings of keys.
pub(super) const ALIASES: &[(&str, &str)] = &[("nodeId", "nodeID")];

pub(super) const OPTIONS: &[Row] = &[
    row("namespace", Kind::Text),
    row("nodeID", Kind::Text),
    row("transporter", Kind::Transporter),
    row(
        "serializer",
        Kind::Named {
            words: SerializerKind::WORDS,
            missing: SerializerKind::MISSING,
            why: "is a serializer that Moleculer 0.15 has removed",
        },
    ),
    row("protocol", Kind::Choice { words: Protocol::WORDS, missing: &[], why: "" }),
    row("requestTimeout", Kind::Timeout),
    row("maxCallLevel", Kind::Count { unit: "calls", min: 0, max: u32::MAX as u64 }),
    row("heartbeatInterval", Kind::SECONDS),
    row("heartbeatTimeout", Kind::SECONDS),
    row("tracking.enabled", Kind::Switch),
    row("tracking.shutdownTimeout", Kind::MILLIS_OR_ZERO),
    row("disableBalancer", Kind::Switch),
    row("contextParamsCloning", Kind::Switch),
    row("internalServices.enabled", Kind::Switch),
    row("internalServices.remote", Kind::Switch),
    row("metadata", Kind::Object),
    row(
        "registry.strategy",
        Kind::Choice {
            words: StrategyKind::WORDS,
            missing: StrategyKind::MISSING,
            why: "is a strategy of Moleculer that is planned, not there yet",
        },
    ),
    row("registry.preferLocal", Kind::Switch),
    row("registry.stopDelay", Kind::MILLIS_OR_ZERO),
    row("registry.stopDelayLimit", Kind::MILLIS_OR_ZERO),
    row("registry.cleanOfflineNodesTimeout", Kind::SECONDS),
    row("registry.maxNodes", Kind::count("nodes")),
    row("registry.discoverer", Kind::Discoverer),
    row("transit.maxQueueSize", Kind::count("requests")),
    row("transit.maxInFlight", Kind::count("requests")),
    row("transit.maxInFlightBytes", Kind::count("bytes")),
    row("transit.eventQueue", Kind::count("events")),
    row("transit.disableReconnect", Kind::Switch),
    row("transit.disableVersionCheck", Kind::Switch),
    row("transit.strictVersion", Kind::Switch),
    row("transit.serviceChangedDebounceTime", Kind::MILLIS_OR_ZERO),
    row("transit.connectTimeout", Kind::Timeout),
    row("transit.closeTimeout", Kind::MILLIS_OR_ZERO),
    row("transit.idConflictWait", Kind::MILLIS_OR_ZERO),
    row("transit.limits.depth", Kind::Count { unit: "levels", min: 8, max: 128 }),
    row("transit.limits.string", Kind::count("bytes")),
    row("transit.limits.entries", Kind::count("entries")),
    row("transit.limits.meta", Kind::count("bytes")),
    row("transit.limits.services", Kind::count("services")),
    row("transit.limits.actions", Kind::count("actions")),
    row("transit.limits.name", Kind::count("bytes")),
    row("transit.limits.id", Kind::count("bytes")),
    row("transit.limits.groups", Kind::count("groups")),
    row("dependencyTimeout", Kind::Timeout),
    row("dependencyInterval", Kind::MILLIS_OR_ZERO),
    row("pingTimeout", Kind::MILLIS),
    row("watchdog.patience", Kind::MILLIS),
    row("control.thread", Kind::Switch),
    row("errors.stack", Kind::Switch),
    row("advertise.hostname", Kind::Text),
    row("advertise.ipList", Kind::Texts),
    row("advertise.port", Kind::Count { unit: "", min: 1, max: u16::MAX as u64 }),
    row("onIdConflict", Kind::Choice { words: OnIdConflict::WORDS, missing: &[], why: "" }),
];

/// Options of Moleculer that ligand does not support yet. The error names them, which is better than
/// suggesting a similar key.
pub(super) const UNSUPPORTED: &[&str] = &[
    "bulkhead",
    "cacher",
    "circuitBreaker",
    "ContextFactory",
    "created",
    "errorHandler",
    "errorRegenerator",
    "hotReload",
    "internalMiddlewares",
    "logger",
    "logLevel",
    "maxSafeObjectSize",
    "metrics",
    "middlewares",
    "replCommands",
    "replDelimiter",
    "retryPolicy",
    "ServiceFactory",
    "skipProcessEventRegistration",
    "started",
    "stopped",
    "tracing",
    "uidGenerator",
    "validator",
    "registry.strategyOptions",
    "transit.maxChunkSize",
    "transit.packetLogFilter",
];

/// The option with exactly this path.
pub(super) fn option(path: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|row| row.path == path)
}

/// The option with this path, or the open option that contains it.
pub(super) fn option_above(path: &str) -> Option<&'static Row> {
    // The elements of a list are written as `ipList[0]`.
    let path = path.split('[').next().unwrap_or(path);
    option(path).or_else(|| option_above(path.rsplit_once('.')?.0))
}

/// The keys that are valid directly below `group`, each once. `""` is the top level.
pub(super) fn keys_of(group: &str) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for row in OPTIONS {
        let below = match group {
            "" => Some(row.path),
            _ => row.path.strip_prefix(group).and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(key) = below.and_then(|rest| rest.split('.').next()) else { continue };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Whether there are options below this path.
pub(super) fn is_group(path: &str) -> bool {
    !keys_of(path).is_empty()
}
