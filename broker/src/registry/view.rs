//! The answers of `$node.list`, `$node.services`, `$node.actions` and `$node.events` (protocol chapter 14).

use foldhash::HashMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

use super::actions::{Action, ActionEntry};
use super::events::EventList;
use super::nodes::{Node, NodeIx};
use super::services::Service;
use super::snapshot::Snapshot;
use crate::codec::read_json;
use crate::protocol::{Raw, ServiceVersion, Visibility};

/// Parameters of `$node.list`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NodesQuery {
    /// Include the services of each node.
    pub(crate) with_services: bool,
    /// Leave out nodes that are offline.
    pub(crate) only_available: bool,
}

/// Parameters of `$node.services`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServicesQuery {
    /// Only services of this node.
    pub(crate) only_local: bool,
    /// Leave out services whose name starts with `$`.
    pub(crate) skip_internal: bool,
    /// Include the actions.
    pub(crate) with_actions: bool,
    /// Include the events.
    pub(crate) with_events: bool,
    /// Leave out services of nodes that are offline.
    pub(crate) only_available: bool,
    /// One entry for each full name, instead of one for each node.
    pub(crate) grouping: bool,
}

impl Default for ServicesQuery {
    fn default() -> Self {
        Self {
            only_local: false,
            skip_internal: false,
            with_actions: false,
            with_events: false,
            only_available: false,
            grouping: true,
        }
    }
}

/// Parameters of `$node.actions` and `$node.events`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EndpointsQuery {
    /// Only what this node offers, too.
    pub(crate) only_local: bool,
    /// Leave out names that start with `$`.
    pub(crate) skip_internal: bool,
    /// Include the nodes that offer it.
    pub(crate) with_endpoints: bool,
    /// Leave out what nobody offers.
    pub(crate) only_available: bool,
}

/// When the process and the registry started. Node counts times in seconds since the start of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    /// Start of the process.
    pub(crate) process: Instant,
    /// The registry's base.
    pub(crate) base: Instant,
}

/// The answer of `$node.list`.
pub(crate) fn nodes(snapshot: &Snapshot, query: NodesQuery, epoch: Epoch) -> Value {
    snapshot
        .nodes()
        .filter(|node| !query.only_available || node.is_available())
        .map(|node| self::node(node, query.with_services, epoch))
        .collect()
}

/// The answer of `$node.services`.
pub(crate) fn services(snapshot: &Snapshot, query: ServicesQuery) -> Value {
    let mut items: Vec<Map<String, Value>> = Vec::new();
    let mut by_name = HashMap::default();
    for node in snapshot.nodes() {
        let skipped = query.only_local && !node.is_local() || query.only_available && !node.is_available();
        for service in node.services().list().iter().filter(|_| !skipped) {
            if query.skip_internal && service.name.starts_with('$') {
                continue;
            }
            let next = items.len();
            let at = if query.grouping { *by_name.entry(&service.full_name).or_insert(next) } else { next };
            match items.get_mut(at) {
                Some(item) => merge(item, service, node, query),
                None => items.push(self::service(service, node, query)),
            }
        }
    }
    items.into_iter().map(Value::Object).collect()
}

/// The answer of `$node.actions`.
pub(crate) fn actions(snapshot: &Snapshot, query: EndpointsQuery) -> Value {
    let is_hidden =
        |entry: &ActionEntry| entry.available() == 1 && entry.local().is_some_and(|a| is_private(a));
    let mut entries: Vec<_> = snapshot.actions().filter(|entry| !is_hidden(entry)).collect();
    entries.sort_unstable_by_key(|entry| entry.order);
    let wanted = entries
        .into_iter()
        .filter(|entry| query.wants(entry.name(), entry.local().is_some(), entry.available() > 0));
    wanted
        .map(|entry| {
            let mut item = Map::new();
            item.insert("name".to_owned(), entry.name().as_str().into());
            let first = entry.endpoints(snapshot).next().map(|(_, action)| &action.definition);
            let nodes = entry.endpoints(snapshot).map(|(node, _)| node);
            let counted = Counted { count: entry.available(), has_local: entry.local().is_some() };
            counted.describe(&mut item, "action", first, query.with_endpoints.then_some(nodes));
            Value::Object(item)
        })
        .collect()
}

/// The answer of `$node.events`.
pub(crate) fn events(snapshot: &Snapshot, query: EndpointsQuery) -> Value {
    let mut lists: Vec<&Arc<EventList>> = snapshot.event_lists().collect();
    lists.sort_unstable_by_key(|list| list.order);
    let wanted = lists
        .into_iter()
        .filter(|list| query.wants(&list.pattern, !list.local.is_empty(), !list.available.is_empty()));
    wanted
        .map(|list| {
            let mut item = Map::new();
            item.insert("name".to_owned(), list.pattern.as_str().into());
            item.insert("group".to_owned(), list.group.as_str().into());
            let first = list.available.get(0).and_then(|target| {
                let local = list.local.first().filter(|_| target.node == NodeIx::LOCAL);
                local.or_else(|| list.available.definition(target)).map(|event| &event.definition)
            });
            // Several subscribers on this node are one endpoint for the balancer, but several for Node.
            let own = list.local.len().saturating_sub(1);
            let counted = Counted { count: list.available.len() + own, has_local: !list.local.is_empty() };
            let nodes =
                list.available.iter().filter_map(|target| snapshot.node(target.node)).flat_map(|node| {
                    std::iter::repeat_n(node, if node.is_local() { list.local.len() } else { 1 })
                });
            counted.describe(&mut item, "event", first, query.with_endpoints.then_some(nodes));
            Value::Object(item)
        })
        .collect()
}

impl EndpointsQuery {
    fn wants(self, name: &str, is_local: bool, is_available: bool) -> bool {
        (!self.skip_internal || !name.starts_with('$'))
            && (!self.only_local || is_local)
            && (!self.only_available || is_available)
    }
}

struct Counted {
    count: usize,
    has_local: bool,
}

impl Counted {
    /// What Node shows about a list of endpoints. An empty list has no definition and no endpoints.
    fn describe<'a>(
        &self,
        item: &mut Map<String, Value>,
        definition_key: &str,
        definition: Option<&Raw>,
        endpoints: Option<impl Iterator<Item = &'a Arc<Node>>>,
    ) {
        item.insert("count".to_owned(), self.count.into());
        item.insert("hasLocal".to_owned(), self.has_local.into());
        item.insert("available".to_owned(), (self.count > 0).into());
        if let Some(definition) = definition {
            item.insert(definition_key.to_owned(), value(definition));
        }
        if let Some(endpoints) = endpoints.filter(|_| self.count > 0) {
            let endpoints = endpoints.map(|node| {
                json!({ "nodeID": node.id().as_str(), "state": true, "available": node.is_available() })
            });
            item.insert("endpoints".to_owned(), endpoints.collect());
        }
    }
}

fn node(node: &Node, with_services: bool, epoch: Epoch) -> Value {
    let seconds = |at: Instant| at.saturating_duration_since(epoch.process).as_secs();
    let (cpu, cpu_seq) = node.cpu();
    let client = node.client();
    let mut described = json!({
        "type": client.kind.as_str(),
        "version": client.version.as_str(),
        "langVersion": client.lang_version.as_str(),
    });
    if let (Some(object), false) = (described.as_object_mut(), client.features.is_empty()) {
        let features = client.features.iter().map(|feature| feature.as_str());
        object.insert("features".to_owned(), features.collect());
    }
    let heartbeat = epoch.base.checked_add(node.last_heartbeat());
    let mut item = json!({
        "id": node.id().as_str(),
        "instanceID": node.instance_id().as_str(),
        "available": node.is_available(),
        "local": node.is_local(),
        "lastHeartbeatTime": heartbeat.map(seconds),
        "config": value(node.config()),
        "client": described,
        "metadata": value(node.metadata()),
        "ipList": node.ip_list().iter().map(|address| address.as_str()).collect::<Value>(),
        "hostname": node.hostname().map(|name| name.as_str()),
        "udpAddress": null,
        // Whole percentages are written without a fraction, as in Node.
        "cpu": cpu.map(|cpu| if cpu.fract() == 0.0 { Value::from(cpu as i64) } else { Value::from(cpu) }),
        "cpuSeq": (cpu_seq > 0).then_some(cpu_seq),
        "seq": node.seq(),
        "offlineSince": node.offline_since().map(seconds),
    });
    if let Some(object) = item.as_object_mut() {
        if node.is_local() || node.port().is_some() {
            object.insert("port".to_owned(), node.port().into());
        }
        if with_services {
            let query = ServicesQuery { with_actions: true, with_events: true, ..ServicesQuery::default() };
            let services = node.services().list().iter().map(|service| {
                let mut entry = basics(service);
                details(&mut entry, service, query, true);
                Value::Object(entry)
            });
            object.insert("services".to_owned(), services.collect());
        }
    }
    item
}

fn basics(service: &Service) -> Map<String, Value> {
    let mut item = Map::new();
    item.insert("name".to_owned(), service.name.as_str().into());
    match &service.version {
        Some(ServiceVersion::Number(number)) => {
            item.insert("version".to_owned(), serde_json::from_str(number).unwrap_or_default());
        }
        Some(ServiceVersion::Text(text)) => {
            item.insert("version".to_owned(), text.as_str().into());
        }
        None => {}
    }
    item.insert("fullName".to_owned(), service.full_name.as_str().into());
    item.insert("settings".to_owned(), value(&service.settings));
    item.insert("metadata".to_owned(), value(&service.metadata));
    item
}

fn service(service: &Service, node: &Node, query: ServicesQuery) -> Map<String, Value> {
    let mut item = basics(service);
    item.insert("local".to_owned(), node.is_local().into());
    item.insert("available".to_owned(), node.is_available().into());
    let id = node.id().as_str();
    if query.grouping {
        item.insert("nodes".to_owned(), Value::Array(vec![id.into()]));
    } else {
        item.insert("nodeID".to_owned(), id.into());
    }
    details(&mut item, service, query, false);
    item
}

/// Adds another node that offers a service.
fn merge(item: &mut Map<String, Value>, service: &Service, node: &Node, query: ServicesQuery) {
    if let Some(nodes) = item.get_mut("nodes").and_then(Value::as_array_mut) {
        nodes.push(node.id().as_str().into());
    }
    details(item, service, query, false);
}

/// Adds the actions and events that are not there yet.
fn details(item: &mut Map<String, Value>, service: &Service, query: ServicesQuery, internal_events: bool) {
    let mut add = |key: &str, name: &str, definition: &Raw| {
        let members = item.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if let Some(members) = members.as_object_mut().filter(|members| !members.contains_key(name)) {
            members.insert(name.to_owned(), value(definition));
        }
    };
    if query.with_actions {
        let actions = service.actions.iter().filter(|action| !is_private(action));
        actions.for_each(|action| add("actions", &action.name, &action.definition));
    }
    if query.with_events {
        let events = service.events.iter().filter(|event| internal_events || !event.pattern.starts_with('$'));
        events.for_each(|event| add("events", &event.pattern, &event.definition));
    }
    for (key, wanted) in [("actions", query.with_actions), ("events", query.with_events)] {
        if wanted {
            item.entry(key).or_insert_with(|| Value::Object(Map::new()));
        }
    }
}

/// Node does not even register such an action.
fn is_private(action: &Action) -> bool {
    action.visibility == Visibility::Private
}

fn value(raw: &Raw) -> Value {
    read_json(raw.bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Packet;
    use crate::registry::tests::{id, local, registry};
    use crate::serializer::{Json, PacketLimits, Serializer as _};
    use bytes::Bytes;
    use ligand_transporters::PacketKind;
    use std::time::Duration;

    /// A registry that knows a real node from its recorded INFO, and the services of that INFO.
    fn with_captured_node() -> (Arc<Snapshot>, Value, Epoch) {
        let (registry, base) = registry();
        let text = include_str!("../../tests/vectors/info-0.15.json");
        let limits = PacketLimits::default();
        let incoming = Json.decode(PacketKind::Info, Bytes::from_static(text.as_bytes()), &limits).unwrap();
        let Packet::Info(info) = incoming.packet else { panic!("no INFO") };
        let now = base + Duration::from_secs(3);
        registry.apply_info(&id("node-2"), *info, now, |raw| Json.services(raw, &limits)).unwrap();
        registry.heartbeat("node-2", Some(12.0), now);
        registry.add_local(local("math", &["math.add"], &[("user.*", "math")])).unwrap();
        let written: Value = serde_json::from_str(text).unwrap();
        (
            registry.snapshot(),
            written["services"].clone(),
            Epoch { process: base - Duration::from_secs(2), base },
        )
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn nodes_are_told_with_nodes_fields() {
        let (snapshot, _, epoch) = with_captured_node();
        let list = nodes(&snapshot, NodesQuery::default(), epoch);
        let (own, other) = (&list[0], &list[1]);
        let mut expected = vec![
            "id",
            "instanceID",
            "available",
            "local",
            "lastHeartbeatTime",
            "config",
            "client",
            "metadata",
            "ipList",
            "port",
            "hostname",
            "udpAddress",
            "cpu",
            "cpuSeq",
            "seq",
            "offlineSince",
        ];
        expected.sort_unstable();
        assert_eq!(keys(own), expected);
        expected.retain(|key| *key != "port");
        assert_eq!(keys(other), expected);
        assert_eq!((&own["local"], &own["port"], &own["cpu"]), (&json!(true), &Value::Null, &Value::Null));
        assert_eq!(
            (&other["lastHeartbeatTime"], &other["cpu"], &other["seq"]),
            (&json!(5), &json!(12), &json!(2))
        );
        assert_eq!(other["client"], json!({"type":"nodejs","version":"0.15.2","langVersion":"v22.23.3"}));
        assert_eq!(other["metadata"], json!({"zone":"z1"}));
    }

    #[test]
    fn services_are_told_as_their_node_told_them() {
        let (snapshot, written, _) = with_captured_node();
        let query = ServicesQuery { with_actions: true, with_events: true, ..ServicesQuery::default() };
        let list = services(&snapshot, query);
        let named =
            |name: &str| list.as_array().unwrap().iter().find(|s| s["fullName"] == name).unwrap().clone();
        let math = named("v2.math");
        assert_eq!(
            (&math["version"], &math["nodes"], &math["local"]),
            (&json!(2), &json!(["node-2"]), &json!(false))
        );
        let mut actions = written[1]["actions"].clone();
        actions.as_object_mut().unwrap().remove("v2.math.prot");
        assert_eq!(math["actions"], actions);
        assert_eq!(keys(&math["events"]), ["user.*", "user.created"]);
        assert_eq!(named("$node")["actions"], written[0]["actions"]);
        let lean =
            services(&snapshot, ServicesQuery { skip_internal: true, grouping: false, ..Default::default() });
        assert_eq!(lean.as_array().unwrap().len(), 2);
        assert_eq!(
            keys(&lean[1]),
            ["available", "fullName", "local", "metadata", "name", "nodeID", "settings", "version"]
        );
        let own = services(&snapshot, ServicesQuery { only_local: true, ..Default::default() });
        assert_eq!((own.as_array().unwrap().len(), &own[0]["nodes"]), (1, &json!(["me"])));
    }

    #[test]
    fn actions_are_told_with_their_endpoints() {
        let (snapshot, written, _) = with_captured_node();
        let query = EndpointsQuery { with_endpoints: true, skip_internal: true, ..Default::default() };
        let list = actions(&snapshot, query);
        let add = list.as_array().unwrap().iter().find(|a| a["name"] == "v2.math.add").unwrap();
        assert_eq!(
            *add,
            json!({
                "name": "v2.math.add", "count": 1, "hasLocal": false, "available": true,
                "action": written[1]["actions"]["v2.math.add"],
                "endpoints": [{"nodeID": "node-2", "state": true, "available": true}],
            })
        );
        let own = actions(&snapshot, EndpointsQuery { only_local: true, ..Default::default() });
        assert_eq!((own.as_array().unwrap().len(), &own[0]["name"]), (1, &json!("math.add")));
    }

    #[test]
    fn events_are_told_with_their_groups_even_when_nobody_listens_any_more() {
        let (registry, _) = registry();
        registry.add_local(local("one", &[], &[("x", "g")])).unwrap();
        registry.add_local(local("two", &[], &[("x", "g")])).unwrap();
        let list = events(&registry.load(), EndpointsQuery { with_endpoints: true, ..Default::default() });
        let me = json!({"nodeID": "me", "state": true, "available": true});
        assert_eq!(
            list,
            json!([{
                "name": "x", "group": "g", "count": 2, "hasLocal": true, "available": true,
                "event": {"name": "x"}, "endpoints": [me, me],
            }])
        );
        registry.remove_local("one");
        registry.remove_local("two");
        let list = events(&registry.load(), EndpointsQuery::default());
        assert_eq!(
            list,
            json!([{"name": "x", "group": "g", "count": 0, "hasLocal": false, "available": false}])
        );
        let list = events(&registry.load(), EndpointsQuery { only_available: true, ..Default::default() });
        assert_eq!(list, json!([]));
    }
}
