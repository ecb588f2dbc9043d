//! Services that several cases use.

use ligand::{Context, Error, EventDef, Payload, Reply, ServiceDef};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// `<name>.echo` answers with what it was given, byte for byte; `<name>.where` with its node's id.
pub(super) fn echo(name: &str) -> ServiceDef {
    ServiceDef::builder(name)
        .action_raw("echo", |_cx, body: Payload| async move { Ok::<_, Error>(Reply::from(body)) })
        .action(
            "where",
            |cx: Context, _: Value| async move { Ok::<_, Error>(cx.broker().node_id().to_string()) },
        )
        .build()
}

/// What handlers saw, in the order they saw it.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A service that notes each event it gets as `<node> <service> <data>`.
    pub(super) fn listener(&self, name: &str, pattern: &str, group: Option<&str>) -> ServiceDef {
        let log = self.clone();
        let def = EventDef::new(pattern);
        let def = match group {
            Some(group) => def.group(group),
            None => def,
        };
        let name = name.to_owned();
        ServiceDef::builder(name.clone())
            .event(def, move |cx: Context, data: Value| {
                let (log, name) = (log.clone(), name.clone());
                async move {
                    log.add(format!("{} {name} {data}", cx.broker().node_id()));
                    Ok::<_, Error>(())
                }
            })
            .build()
    }
}
