//! What holds after any sequence of changes, and the rules of protocol chapters 5.4, 7 and 8.1.

mod events;
mod sequences;

use bytes::Bytes;
use ligand_transporters::{Name, NodeId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::protocol::{Client, ServiceInfo, Visibility};
use crate::serializer::{Json, Limits, Problem, Serializer as _};

/// Names of services with the definitions of their actions and events.
type Offer = BTreeMap<&'static str, (Vec<(String, &'static str)>, Vec<String>)>;

pub(super) fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn parse(raw: &Raw) -> Result<Services, Problem> {
    Json.services(raw, &Limits::default())
}

fn identity() -> Identity {
    Identity {
        id: id("me"),
        instance_id: "own".into(),
        hostname: "vm".into(),
        ip_list: vec!["192.0.2.2".into()],
        client: Client {
            kind: "rust".into(),
            version: "0.1.0".into(),
            lang_version: "1.95".into(),
            features: vec!["cancel".into()],
        },
        config: Raw::empty_object(),
        metadata: Raw::from_static(r#"{"zone":"z1"}"#),
    }
}

/// A registry at its base time, and how often its composer ran.
fn registry_of(max_nodes: usize) -> (Registry, Instant, Arc<AtomicUsize>) {
    let now = Instant::now();
    let composed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&composed);
    let composer: Composer = Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Arc::new(|_, _| Box::pin(std::future::ready(Ok(crate::Reply::empty()))))
    });
    let options = RegistryOptions { strategy: StrategyKind::RoundRobin, max_nodes, by_bus: false, base: now };
    (Registry::new(identity(), options, composer, now), now, composed)
}

pub(super) fn registry() -> (Registry, Instant) {
    let (registry, now, _) = registry_of(100);
    (registry, now)
}

fn packet(instance: &str, seq: u64, services: &str) -> InfoPacket {
    let raw = Bytes::from(format!(r#"{{"services":{services},"instanceID":"{instance}","seq":{seq}}}"#));
    let start = r#"{"services":"#.len();
    InfoPacket {
        services_raw: Raw::new(raw.slice(start..start + services.len())),
        raw: Raw::new(raw),
        ip_list: vec!["192.0.2.7".into()],
        hostname: Some("host".into()),
        client: Client { kind: "nodejs".into(), version: "0.14.36".into(), ..Client::default() },
        config: Raw::empty_object(),
        instance_id: instance.into(),
        metadata: Raw::empty_object(),
        seq,
        port: None,
    }
}

/// One service with actions and events; each is `name` or `name=rest of its definition`.
fn service(name: &str, actions: &[&str], events: &[&str]) -> String {
    let members = |all: &[&str]| {
        let all: Vec<_> = all
            .iter()
            .map(|one| {
                let (name, rest) = one.split_once('=').unwrap_or((one, r#""x":1"#));
                format!(r#""{name}":{{{rest},"name":"{name}"}}"#)
            })
            .collect();
        all.join(",")
    };
    format!(
        r#"{{"name":"{name}","fullName":"{name}","settings":{{}},"metadata":{{}},"actions":{{{}}},"events":{{{}}}}}"#,
        members(actions),
        members(events)
    )
}

fn learn(registry: &Registry, node: &str, instance: &str, seq: u64, services: &[String]) -> InfoChange {
    let services = format!("[{}]", services.join(","));
    registry.apply_info(&id(node), packet(instance, seq, &services), registry.base, parse).unwrap()
}

pub(super) fn local(name: &str, actions: &[&str], events: &[(&str, &str)]) -> LocalService {
    let name = Name::from(name);
    let info = ServiceInfo {
        name: name.clone(),
        version: None,
        full_name: name.clone(),
        settings: Raw::empty_object(),
        metadata: Raw::empty_object(),
        actions: Vec::new(),
        events: Vec::new(),
    };
    let action = |action: &&str| {
        Arc::new(Action {
            name: Name::from(*action),
            service: name.clone(),
            visibility: Visibility::Published,
            timeout: None,
            definition: Raw::new(format!(r#"{{"name":"{action}"}}"#).into()),
            encode: false,
            run: Arc::new(|_, _| Box::pin(std::future::ready(Ok(crate::Reply::empty())))),
        })
    };
    let event = |(pattern, group): &(&str, &str)| {
        Arc::new(EventSub {
            pattern: Name::from(*pattern),
            group: Name::from(*group),
            service: name.clone(),
            definition: Raw::new(format!(r#"{{"name":"{pattern}"}}"#).into()),
            run: Some(Arc::new(|_, _| Box::pin(std::future::ready(Ok(()))))),
        })
    };
    LocalService {
        info,
        actions: actions.iter().map(action).collect(),
        events: events.iter().map(event).collect(),
    }
}

fn picked(registry: &Registry, action: &str) -> Option<String> {
    let snapshot = registry.load();
    snapshot.action(action)?.pick(&snapshot, true, None, &[]).map(|picked| match picked {
        Picked::Local(_) => "me".to_owned(),
        Picked::Remote(node, _) => node.id().to_string(),
        Picked::Bus(_) => "bus".to_owned(),
    })
}

#[test]
fn an_info_of_the_same_seq_and_instance_changes_no_service() {
    let (registry, _) = registry();
    let first = learn(&registry, "a", "i", 1, &[service("math", &["math.add"], &[])]);
    assert_eq!(first, InfoChange { kind: InfoKind::New, services_changed: true });
    let before = registry.snapshot();
    let again = learn(&registry, "a", "i", 1, &[service("math", &["math.sub"], &[])]);
    assert!(!again.services_changed);
    assert!(registry.load().action("math.sub").is_none());
    assert!(Arc::ptr_eq(before.action("math.add").unwrap(), registry.load().action("math.add").unwrap()));
    // The very same INFO does not even make a new snapshot.
    let before = registry.snapshot();
    let same = registry.apply_info(
        &id("a"),
        packet("i", 1, &format!("[{}]", service("math", &["math.sub"], &[]))),
        registry.base,
        |_| -> Result<Services, Problem> { panic!("services were parsed") },
    );
    assert_eq!(same.unwrap().kind, InfoKind::Unchanged);
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}

#[test]
fn what_an_equal_info_says_about_the_node_is_taken_over_but_an_older_one_is_ignored() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 5, &[]);
    let mut moved = packet("i", 5, "[]");
    moved.hostname = Some("elsewhere".into());
    moved.raw = Raw::new(Bytes::from_static(br#"{"hostname":"elsewhere"}"#));
    let change = registry.apply_info(&id("a"), moved.clone(), now, parse).unwrap();
    assert_eq!(change, InfoChange { kind: InfoKind::Updated, services_changed: false });
    assert_eq!(registry.load().node_by_id("a").unwrap().hostname().unwrap(), "elsewhere");
    moved.seq = 4;
    moved.hostname = None;
    assert_eq!(registry.apply_info(&id("a"), moved, now, parse).unwrap().kind, InfoKind::Unchanged);
    assert_eq!(registry.load().node_by_id("a").unwrap().hostname().unwrap(), "elsewhere");
}

#[test]
fn a_restart_with_a_lower_seq_and_another_instance_replaces_the_services() {
    let (registry, _) = registry();
    learn(&registry, "a", "first", 120, &[service("math", &["math.add"], &["x"])]);
    let change = learn(&registry, "a", "second", 1, &[service("math", &["math.sub"], &["y"])]);
    assert_eq!(change, InfoChange { kind: InfoKind::Restarted, services_changed: true });
    assert_eq!(picked(&registry, "math.add"), None);
    assert_eq!(picked(&registry, "math.sub").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 1);
    assert!(registry.load().emit("x", &[], true, None).remote.is_empty());
    assert_eq!(registry.load().emit("y", &[], true, None).remote.len(), 1);
}

#[test]
fn a_lost_node_keeps_its_name_and_comes_back_with_any_seq() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 3, &[service("math", &["math.add"], &[])]);
    let lost = registry.node_lost("a", now + Duration::from_secs(1)).unwrap();
    assert_eq!((lost.seq(), lost.is_available(), lost.services().list().len()), (4, false, 0));
    assert!(lost.info_json().is_empty());
    assert!(registry.node_lost("a", now).is_none());
    assert!(registry.node_lost("me", now).is_none());
    assert_eq!(registry.load().action("math.add").unwrap().available(), 0);
    assert!(!registry.heartbeat("a", Some(7.0), now));
    let back = learn(&registry, "a", "i", 3, &[service("math", &["math.add"], &[])]);
    assert_eq!(back, InfoChange { kind: InfoKind::Reconnected, services_changed: true });
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 3);
}

#[test]
fn our_own_info_tells_a_conflict_from_an_echo() {
    let (registry, now) = registry();
    let kind = |instance| registry.apply_info(&id("me"), packet(instance, 9, "[]"), now, parse).unwrap().kind;
    assert_eq!(kind("own"), InfoKind::Own);
    assert_eq!(kind("other"), InfoKind::Conflict);
    assert_eq!(kind(""), InfoKind::Conflict);
}

#[test]
fn services_that_cannot_be_read_change_nothing() {
    let (registry, now) = registry();
    assert!(registry.apply_info(&id("a"), packet("i", 1, "7"), now, parse).is_err());
    assert!(registry.load().node_by_id("a").is_none());
    learn(&registry, "a", "i", 1, &[service("math", &["math.add"], &[])]);
    assert!(registry.apply_info(&id("a"), packet("i", 2, "7"), now, parse).is_err());
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("a"));
    assert_eq!(registry.load().node_by_id("a").unwrap().seq(), 1);
}

#[test]
fn protected_and_private_actions_of_other_nodes_do_not_exist() {
    let (registry, _) = registry();
    let actions = [
        r#"m.a="visibility":"protected""#,
        r#"m.b="visibility":"private""#,
        r#"m.c="visibility":"public""#,
        r#"m.d="visibility":"published""#,
    ];
    learn(&registry, "a", "i", 1, &[service("m", &actions, &[])]);
    let known: BTreeSet<_> = registry.load().actions().map(|entry| entry.name().to_string()).collect();
    assert_eq!(known, BTreeSet::from(["m.c".to_owned(), "m.d".to_owned()]));
}

#[test]
fn equal_services_are_parsed_and_composed_once() {
    let (registry, now, composed) = registry_of(100);
    let text = format!("[{}]", service("math", &["math.add", "math.sub"], &["x"]));
    let parsed = AtomicUsize::new(0);
    for node in ["a", "b", "c"] {
        let counted = |raw: &Raw| {
            parsed.fetch_add(1, Ordering::Relaxed);
            parse(raw)
        };
        registry.apply_info(&id(node), packet(node, 1, &text), now, counted).unwrap();
    }
    assert_eq!((parsed.load(Ordering::Relaxed), composed.load(Ordering::Relaxed)), (1, 2));
    // Other text, the same actions: parsed, but composed only where the definition is new.
    let other = [service("math", &["math.add", r#"math.sub="x":2"#], &["x"])];
    learn(&registry, "d", "d", 1, &other);
    assert_eq!(composed.load(Ordering::Relaxed), 3);
    let snapshot = registry.load();
    let (a, b) = (snapshot.node_by_id("a").unwrap(), snapshot.node_by_id("b").unwrap());
    assert!(Arc::ptr_eq(a.services(), b.services()));
    assert_eq!(snapshot.action("math.sub").unwrap().available(), 4);
    assert_eq!(a.info_json(), packet("a", 1, &text).raw.into_bytes());
}

#[test]
fn an_equal_definition_of_another_node_never_stands_for_the_local_handler() {
    let (registry, _, composed) = registry_of(100);
    let own = local("math", &["math.add"], &[]);
    assert_eq!(own.actions[0].definition.as_str(), r#"{"name":"math.add"}"#);
    registry.add_local(own).unwrap();
    let services = r#"[{"name":"math","actions":{"math.add":{"name":"math.add"}}}]"#;
    registry.apply_info(&id("a"), packet("i", 1, services), registry.base, parse).unwrap();
    assert_eq!(composed.load(Ordering::Relaxed), 1);
    let snapshot = registry.load();
    let entry = snapshot.action("math.add").unwrap();
    let Some(Picked::Remote(_, action)) = entry.pick_node(&snapshot, "a") else { panic!("not remote") };
    assert!(!Arc::ptr_eq(&action, entry.local().unwrap()));
}

#[test]
fn local_comes_first_unless_told_otherwise() {
    let (registry, _) = registry();
    registry.add_local(local("math", &["math.add", "$node.list"], &[])).unwrap();
    for node in ["a", "b"] {
        learn(&registry, node, node, 1, &[service("math", &["math.add", "$node.list"], &[])]);
    }
    let snapshot = registry.load();
    let pick = |action: &str, prefer, exclude: &[NodeIx]| match snapshot
        .action(action)
        .unwrap()
        .pick(&snapshot, prefer, None, exclude)?
    {
        Picked::Local(_) => Some("me".to_owned()),
        Picked::Remote(node, _) => Some(node.id().to_string()),
        Picked::Bus(_) => None,
    };
    assert!((0..9).all(|_| pick("math.add", true, &[]).unwrap() == "me"));
    assert!((0..9).all(|_| pick("$node.list", false, &[]).unwrap() == "me"));
    let mut turns = BTreeMap::new();
    for _ in 0..9 {
        *turns.entry(pick("math.add", false, &[]).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(turns, [("a", 3), ("b", 3), ("me", 3)].map(|(k, v)| (k.to_owned(), v)).into());
    let ix = |node: &str| snapshot.node_by_id(node).unwrap().ix();
    for _ in 0..4 {
        assert_eq!(pick("math.add", true, &[ix("me"), ix("a")]).unwrap(), "b");
    }
    assert_eq!(pick("math.add", true, &[ix("me"), ix("a"), ix("b")]), None);
    let entry = snapshot.action("math.add").unwrap();
    assert!(matches!(entry.pick_node(&snapshot, "me"), Some(Picked::Local(_))));
    assert!(matches!(entry.pick_node(&snapshot, "a"), Some(Picked::Remote(node, _)) if node.id() == "a"));
    assert!(entry.pick_node(&snapshot, "z").is_none());
}

#[test]
fn turns_go_on_when_the_list_changes() {
    let (registry, _) = registry();
    for node in ["a", "b", "c"] {
        learn(&registry, node, node, 1, &[service("m", &["m.x"], &[])]);
    }
    assert_eq!(picked(&registry, "m.x").as_deref(), Some("a"));
    learn(&registry, "d", "d", 1, &[service("m", &["m.x"], &[])]);
    assert_eq!(picked(&registry, "m.x").as_deref(), Some("b"));
}

#[test]
fn a_definition_may_name_its_strategy() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &[r#"m.x="strategy":"Random""#, "m.y"], &[])]);
    let snapshot = registry.load();
    let strategy = |action| format!("{:?}", snapshot.action(action).unwrap().strategy);
    assert_eq!(strategy("m.x"), "Random");
    assert!(strategy("m.y").starts_with("RoundRobin"));
}

#[test]
fn duplicates_are_refused_with_both_names() {
    let (registry, _) = registry();
    registry.add_local(local("math", &["add"], &[])).unwrap();
    let before = registry.snapshot();
    let error = registry.add_local(local("calc", &["mul", "add"], &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "action `add` of service `calc` is already offered by service `math`: rename one of them"
    );
    assert!(registry.add_local(local("calc", &["mul", "mul"], &[])).is_err());
    assert!(registry.add_local(local("math", &[], &[])).is_err());
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}

#[test]
fn the_local_info_counts_changes_and_keeps_nodes_field_order() {
    let (registry, _) = registry();
    assert_eq!(registry.local_info().seq, 1);
    let mut math = local("math", &["math.add"], &[("user.*", "math")]);
    math.info.version = Some(crate::protocol::ServiceVersion::Number("2".into()));
    registry.add_local(math).unwrap();
    registry.add_local(local("$node", &["$node.list"], &[])).unwrap();
    let info = registry.local_info();
    assert_eq!(info.seq, 2);
    assert!(Arc::ptr_eq(&info, &registry.local_info()));
    let node = r#"{"name":"$node","fullName":"$node","settings":{},"metadata":{},"actions":{"$node.list":{"name":"$node.list"}},"events":{}}"#;
    let math = r#"{"name":"math","version":2,"fullName":"math","settings":{},"metadata":{},"actions":{"math.add":{"name":"math.add"}},"events":{"user.*":{"name":"user.*"}}}"#;
    let client = r#"{"type":"rust","version":"0.1.0","langVersion":"1.95","features":["cancel"]}"#;
    assert_eq!(
        std::str::from_utf8(&info.json).unwrap(),
        format!(
            r#"{{"services":[{node},{math}],"ipList":["192.0.2.2"],"hostname":"vm","client":{client},"config":{{}},"instanceID":"own","metadata":{{"zone":"z1"}},"seq":2}}"#
        )
    );
    assert_eq!(
        std::str::from_utf8(&info.gossip_json).unwrap(),
        format!(
            r#"{{"ipList":["192.0.2.2"],"hostname":"vm","instanceID":"own","client":{client},"config":{{}},"port":null,"seq":2,"metadata":{{"zone":"z1"}},"services":[{node},{math}]}}"#
        )
    );
    registry.update(|catalog| catalog.set_local_place(None, Some(4000)));
    let info = registry.local_info();
    assert_eq!(info.seq, 3);
    assert!(std::str::from_utf8(&info.json).unwrap().ends_with(r#""seq":3,"port":4000}"#));
    registry.update(|catalog| catalog.outdo(120));
    assert_eq!(registry.local_info().seq, 121);
    assert_eq!(registry.load().node_by_id("me").unwrap().seq(), 121);
    let stopping = registry.stopping();
    assert_eq!(stopping.seq, 122);
    assert!(std::str::from_utf8(&stopping.json).unwrap().starts_with(r#"{"services":[],"#));
    assert_eq!(picked(&registry, "math.add").as_deref(), Some("me"));
    assert!(registry.remove_local("math"));
    assert!(!registry.remove_local("math"));
}

#[test]
fn private_actions_stay_out_of_the_local_info_but_can_be_called_here() {
    let (registry, _) = registry();
    let mut own = local("m", &["m.a"], &[]);
    Arc::get_mut(&mut own.actions[0]).unwrap().visibility = Visibility::Private;
    registry.add_local(own).unwrap();
    assert!(!std::str::from_utf8(&registry.local_info().json).unwrap().contains("m.a"));
    let snapshot = registry.load();
    let Some(Picked::Local(action)) = snapshot.action("m.a").unwrap().pick(&snapshot, true, None, &[]) else {
        panic!("not callable")
    };
    assert!(!action.callable_remotely());
}

#[test]
fn a_full_registry_forgets_the_node_that_is_offline_longest_or_refuses() {
    let (registry, now, _) = registry_of(3);
    for node in ["a", "b", "c"] {
        assert_eq!(learn(&registry, node, node, 1, &[]).kind, InfoKind::New);
    }
    assert_eq!(learn(&registry, "d", "d", 1, &[]).kind, InfoKind::Refused);
    assert!(!registry.sighted(&id("d"), Sighting::default(), now));
    registry.node_lost("b", now + Duration::from_secs(1));
    registry.node_lost("a", now + Duration::from_secs(2));
    assert_eq!(learn(&registry, "d", "d", 1, &[]).kind, InfoKind::New);
    assert!(registry.load().node_by_id("b").is_none());
    assert!(registry.load().node_by_id("a").is_some());
    assert!(registry.sighted(&id("e"), Sighting::default(), now));
    assert!(registry.load().node_by_id("a").is_none());
}

#[test]
fn a_heartbeat_needs_no_new_snapshot() {
    let (registry, now) = registry();
    learn(&registry, "a", "i", 1, &[]);
    let before = registry.snapshot();
    assert!(registry.heartbeat("a", Some(42.0), now + Duration::from_millis(1_500)));
    assert!(!registry.heartbeat("b", None, now));
    assert!(registry.gossiped_cpu("a", 43.0, 5, now));
    assert!(!registry.gossiped_cpu("a", 44.0, 5, now));
    let node = before.node_by_id("a").unwrap();
    assert_eq!(node.cpu(), (Some(43.0), 5));
    assert!(Arc::ptr_eq(&before, &registry.snapshot()));
}

#[test]
fn the_version_is_that_of_the_last_packet_or_a_guess() {
    let (registry, _) = registry();
    learn(&registry, "a", "i", 1, &[]);
    let version = || registry.load().node_by_id("a").unwrap().version().unwrap();
    assert_eq!(version(), ProtocolVersion::V4);
    registry.seen_version("a", ProtocolVersion::V5);
    assert_eq!(version(), ProtocolVersion::V5);
    learn(&registry, "a", "i", 2, &[]);
    assert_eq!(version(), ProtocolVersion::V5);
    learn(&registry, "a", "next process", 1, &[]);
    assert_eq!(version(), ProtocolVersion::V4);
}

#[test]
fn sightings_fill_in_what_no_info_has_told() {
    let (registry, now) = registry();
    let hello = |host: &str, address: &str| Sighting {
        hostname: Some(host.into()),
        port: Some(4000),
        address: Some(address.into()),
        announced: false,
    };
    assert!(registry.sighted(&id("a"), hello("one", "192.0.2.1"), now));
    assert!(!registry.sighted(&id("a"), hello("two", "192.0.2.2"), now));
    let node = registry.load().node_by_id("a").unwrap().clone();
    assert_eq!(
        (node.hostname().unwrap().as_str(), node.udp_address().unwrap().as_str()),
        ("one", "192.0.2.1")
    );
    assert_eq!((node.seq(), node.is_available()), (0, false));
    registry.sighted(&id("a"), Sighting { announced: true, ..hello("three", "192.0.2.3") }, now);
    let node = registry.load().node_by_id("a").unwrap().clone();
    assert_eq!(
        (node.hostname().unwrap().as_str(), node.udp_address().unwrap().as_str()),
        ("three", "192.0.2.3")
    );
    assert_eq!(node.ip_list(), ["192.0.2.3", "192.0.2.1"].map(Name::from));
    assert_eq!(learn(&registry, "a", "i", 1, &[]).kind, InfoKind::New);
    assert_eq!(registry.load().node_by_id("a").unwrap().udp_address().unwrap(), "192.0.2.3");
}

#[test]
fn several_changes_can_be_published_as_one() {
    let (registry, now) = registry();
    let before = registry.snapshot();
    registry.update(|catalog| {
        for node in ["a", "b"] {
            let services = format!("[{}]", service("m", &["m.x"], &[]));
            catalog.apply_info(&id(node), packet("i", 1, &services), now, parse).unwrap();
            assert!(Arc::ptr_eq(&before, &registry.snapshot()));
        }
    });
    assert_eq!(registry.load().action("m.x").unwrap().available(), 2);
}

#[test]
fn untouched_actions_are_shared_by_snapshots() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &["m.x", "m.y"], &[])]);
    let before = registry.snapshot();
    learn(&registry, "b", "b", 1, &[service("n", &["n.x"], &[])]);
    learn(&registry, "a", "a", 2, &[service("m", &["m.x", r#"m.y="x":2"#], &[])]);
    let after = registry.snapshot();
    assert!(Arc::ptr_eq(before.action("m.x").unwrap(), after.action("m.x").unwrap()));
    assert!(!Arc::ptr_eq(before.action("m.y").unwrap(), after.action("m.y").unwrap()));
}

#[test]
fn similar_names_are_suggested() {
    let (registry, _) = registry();
    learn(&registry, "a", "a", 1, &[service("m", &["math.add", "math.mul", "users.list"], &[])]);
    let near = |name| registry.load().nearest_actions(name).iter().map(Name::to_string).collect::<Vec<_>>();
    assert_eq!(near("math.ad"), ["math.add"]);
    assert_eq!(near("maths.mull"), ["math.mul"]);
    assert!(near("something.else").is_empty());
}
