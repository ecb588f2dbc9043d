//! A registry, and what is fed to it.

use bytes::Bytes;
use ligand_transporters::{Name, NodeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::protocol::{Client, InfoPacket, Raw, ServiceInfo, Services, Visibility};
use crate::registry::*;
use crate::serializer::{Json, PacketLimits, Problem, Serializer as _};
use crate::strategy::StrategyKind;

pub(in crate::registry) fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(in crate::registry) fn parse(raw: &Raw) -> Result<Services, Problem> {
    Json.services(raw, &PacketLimits::default())
}

pub(in crate::registry) fn identity() -> Identity {
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
pub(in crate::registry) fn registry_of(max_nodes: usize) -> (Registry, Instant, Arc<AtomicUsize>) {
    let now = Instant::now();
    let composed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&composed);
    let composer: Composer = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        let run: crate::ActionFn = Arc::new(|_, _| Box::pin(std::future::ready(Ok(crate::Reply::empty()))));
        crate::handler::Chains { around: None, run }
    });
    let options = RegistryOptions { strategy: StrategyKind::RoundRobin, max_nodes, by_bus: false, base: now };
    (Registry::new(identity(), options, composer, now), now, composed)
}

pub(in crate::registry) fn registry() -> (Registry, Instant) {
    let (registry, now, _) = registry_of(100);
    (registry, now)
}

pub(in crate::registry) fn packet(instance: &str, seq: u64, services: &str) -> InfoPacket {
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
pub(in crate::registry) fn service(name: &str, actions: &[&str], events: &[&str]) -> String {
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

pub(in crate::registry) fn learn(
    registry: &Registry,
    node: &str,
    instance: &str,
    seq: u64,
    services: &[String],
) -> InfoChange {
    let services = format!("[{}]", services.join(","));
    registry.apply_info(&id(node), packet(instance, seq, &services), registry.base, parse).unwrap()
}

pub(in crate::registry) fn local(name: &str, actions: &[&str], events: &[(&str, &str)]) -> LocalService {
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
            gate: None,
            run: Arc::new(|_, _| Box::pin(std::future::ready(Ok(crate::Reply::empty())))),
            around: None,
        })
    };
    let event = |(pattern, group): &(&str, &str)| {
        Arc::new(EventSub {
            pattern: Name::from(*pattern),
            group: Name::from(*group),
            service: name.clone(),
            definition: Raw::new(format!(r#"{{"name":"{pattern}"}}"#).into()),
            gate: None,
            queue: None,
            run: Some(Arc::new(|_, _| Box::pin(std::future::ready(Ok(()))))),
        })
    };
    LocalService {
        info,
        actions: actions.iter().map(action).collect(),
        events: events.iter().map(event).collect(),
    }
}

pub(in crate::registry) fn picked(registry: &Registry, action: &str) -> Option<String> {
    let snapshot = registry.load();
    snapshot.action(action)?.pick(&snapshot, true, None, &[]).map(|picked| match picked {
        Picked::Local(_) => "me".to_owned(),
        Picked::Remote(node, _) => node.id().to_string(),
        Picked::Bus(_) => "bus".to_owned(),
    })
}
