//! The service `$node`, which other nodes, REPLs and dashboards use to inspect this node (protocol chapter
//! 14).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Weak;

use super::{ServiceBroker, Shared, StartError};
use crate::error::{Error, Result};
use crate::registry::view::{self, EndpointsQuery, Epoch, NodesQuery, ServicesQuery};
use crate::service::{ActionDef, ServiceBuilder, ServiceDef};

/// Options of the actions that list something. Each action knows some of them, and ignores the others.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wanted {
    with_services: Flag,
    only_available: Flag,
    only_local: Flag,
    skip_internal: Flag,
    with_actions: Flag,
    with_events: Flag,
    with_endpoints: Flag,
    grouping: Option<Flag>,
}

/// A boolean that may be written as Node's validator converts it: `true`, `"true"`, `1`, `"on"`.
#[derive(Debug, Clone, Copy, Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Bool(flag) => flag,
            Value::Number(number) => number.as_f64() == Some(1.0),
            Value::String(text) => matches!(text.as_str(), "true" | "1" | "on"),
            _ => false,
        }))
    }
}

impl ServiceBroker {
    /// Adds the service `$node`, unless the configuration switches it off.
    pub(super) fn take_internal(&self) -> Result<(), StartError> {
        if self.config().internal_services.enabled {
            self.take_in(service(self))?;
        }
        Ok(())
    }
}

fn service(broker: &ServiceBroker) -> ServiceDef {
    let flag =
        |default: bool| json!({ "type": "boolean", "optional": true, "convert": true, "default": default });
    let flags = |names: &[&str]| {
        let params = names.iter().map(|name| ((*name).to_owned(), flag(*name == "grouping")));
        Value::Object(params.collect::<Map<_, _>>())
    };
    let def = |name: &'static str, params: Option<Value>| {
        let def = ActionDef::new(name).extra("cache", false).extra("tracing", false);
        match params {
            Some(params) => def.params(params),
            None => def,
        }
    };
    let text = json!({
        "type": "multi", "optional": true,
        "rules": [{ "type": "string" }, { "type": "array", "items": "string" }],
    });
    let metrics = json!({ "types": text, "includes": text, "excludes": text });
    let builder = ServiceDef::builder("$node").internal();
    let builder = view_action(
        builder,
        broker,
        def("list", Some(flags(&["withServices", "onlyAvailable"]))),
        |shared, p| {
            Ok(view::nodes(
                &shared.registry.load(),
                NodesQuery { with_services: p.with_services.0, only_available: p.only_available.0 },
                epoch(shared),
            ))
        },
    );
    let builder = view_action(
        builder,
        broker,
        def(
            "services",
            Some(flags(&[
                "onlyLocal",
                "skipInternal",
                "withActions",
                "withEvents",
                "onlyAvailable",
                "grouping",
            ])),
        ),
        |shared, p| {
            let wanted = ServicesQuery {
                only_local: p.only_local.0,
                skip_internal: p.skip_internal.0,
                with_actions: p.with_actions.0,
                with_events: p.with_events.0,
                only_available: p.only_available.0,
                grouping: p.grouping.is_none_or(|flag| flag.0),
            };
            Ok(view::services(&shared.registry.load(), wanted))
        },
    );
    let listing = ["onlyLocal", "skipInternal", "withEndpoints", "onlyAvailable"];
    let builder = view_action(builder, broker, def("actions", Some(flags(&listing))), |shared, p| {
        Ok(view::actions(&shared.registry.load(), endpoints(p)))
    });
    let builder = view_action(builder, broker, def("events", Some(flags(&listing))), |shared, p| {
        Ok(view::events(&shared.registry.load(), endpoints(p)))
    });
    let builder = view_action(builder, broker, def("health", None), |shared, _| {
        serde_json::to_value(super::health::health(shared)).map_err(Error::codec)
    });
    let builder = view_action(builder, broker, def("options", Some(json!({}))), |shared, _| {
        // The serialization of the configuration masks secrets.
        serde_json::to_value(&*shared.config).map_err(Error::codec)
    });
    view_action(builder, broker, def("metrics", Some(metrics)), |_, _| {
        Err(Error::client(400, "METRICS_DISABLED", "Metrics feature is disabled"))
    })
    .build()
}

fn endpoints(wanted: Wanted) -> EndpointsQuery {
    EndpointsQuery {
        only_local: wanted.only_local.0,
        skip_internal: wanted.skip_internal.0,
        with_endpoints: wanted.with_endpoints.0,
        only_available: wanted.only_available.0,
    }
}

/// An action that inspects the broker. It holds the broker weakly; otherwise the broker would own itself.
fn view_action(
    builder: ServiceBuilder,
    broker: &ServiceBroker,
    def: ActionDef,
    look: impl Fn(&Shared, Wanted) -> Result<Value> + Copy + Send + Sync + 'static,
) -> ServiceBuilder {
    let broker: Weak<Shared> = broker.weak();
    builder.action(def, move |_cx, wanted: Option<Wanted>| {
        let broker = Weak::clone(&broker);
        async move {
            let shared = broker.upgrade().ok_or_else(Error::disconnected)?;
            look(&shared, wanted.unwrap_or_default())
        }
    })
}

/// The point in time from which times are counted.
fn epoch(shared: &Shared) -> Epoch {
    Epoch { process: super::health::started(), base: shared.born }
}
