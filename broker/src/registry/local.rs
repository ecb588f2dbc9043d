//! The INFO of this node.

use bytes::Bytes;
use ligand_transporters::{Name, NodeId};
use std::sync::Arc;

use super::actions::Action;
use super::events::EventSub;
use crate::protocol::{Client, Raw, ServiceInfo, ServiceVersion, Visibility};

/// The identity of this node. It does not change during the life of a broker.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its id.
    pub(crate) id: NodeId,
    /// The id of this run of the process.
    pub(crate) instance_id: Name,
    /// Host name.
    pub(crate) hostname: Name,
    /// Addresses.
    pub(crate) ip_list: Vec<Name>,
    /// Its software, and what that supports beyond the protocol.
    pub(crate) client: Client,
    /// An object.
    pub(crate) config: Raw,
    /// An object, the user's.
    pub(crate) metadata: Raw,
}

/// A service of this node, ready to be called.
#[derive(Debug)]
pub(crate) struct LocalService {
    /// Its entry in INFO. The lists of actions and events in it are not used.
    pub(crate) info: ServiceInfo,
    /// Its actions, private ones included.
    pub(crate) actions: Vec<Arc<Action>>,
    /// Its event subscriptions.
    pub(crate) events: Vec<Arc<EventSub>>,
}

/// The INFO of this node, in the two orders in which Node writes it.
#[derive(Debug)]
pub(crate) struct LocalInfo {
    /// Sequence number.
    pub(crate) seq: u64,
    /// For INFO, without `ver` and `sender` (protocol chapter 2.4).
    pub(crate) json: Bytes,
    /// For a gossip response.
    pub(crate) gossip: GossipRow,
}

/// The INFO of this node in a gossip response (protocol chapter 4.4), split around its sequence number.
#[derive(Debug, Clone)]
pub(crate) struct GossipRow {
    before_seq: String,
    metadata: String,
    services: String,
}

impl LocalInfo {
    /// `services` is the text of the array. `port` is known only if nodes are reached by TCP.
    pub(super) fn new(identity: &Identity, seq: u64, port: Option<u16>, services: &str) -> Self {
        let ip_list = texts(identity.ip_list.iter());
        let hostname = text(&identity.hostname);
        let client = client(&identity.client);
        let config = identity.config.as_str();
        let instance = text(&identity.instance_id);
        let metadata = identity.metadata.as_str();
        let with_port = port.map(|port| format!(r#","port":{port}"#)).unwrap_or_default();
        let gossip_port = port.map_or_else(|| "null".to_owned(), |port| port.to_string());
        let json = format!(
            r#"{{"services":{services},"ipList":{ip_list},"hostname":{hostname},"client":{client},"config":{config},"instanceID":{instance},"metadata":{metadata},"seq":{seq}{with_port}}}"#
        );
        let before_seq = format!(
            r#"{{"ipList":{ip_list},"hostname":{hostname},"instanceID":{instance},"client":{client},"config":{config},"port":{gossip_port}"#
        );
        let gossip = GossipRow { before_seq, metadata: metadata.to_owned(), services: services.to_owned() };
        Self { seq, json: json.into(), gossip }
    }
}

impl GossipRow {
    /// The whole INFO, with this sequence number.
    pub(crate) fn json(&self, seq: u64) -> Bytes {
        let Self { before_seq, metadata, services } = self;
        format!(r#"{before_seq},"seq":{seq},"metadata":{metadata},"services":{services}}}"#).into()
    }

    /// The same node without services.
    pub(crate) fn without_services(&self) -> Self {
        Self {
            before_seq: self.before_seq.clone(),
            metadata: self.metadata.clone(),
            services: "[]".to_owned(),
        }
    }

    /// Its approximate size in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.before_seq.len() + self.metadata.len() + self.services.len() + 48
    }
}

/// The entry of a service in `services` of INFO (protocol chapter 5.5).
pub(super) fn service_json(service: &LocalService) -> String {
    let info = &service.info;
    let mut json = format!(r#"{{"name":{}"#, text(&info.name));
    match &info.version {
        Some(ServiceVersion::Number(number)) => json.push_str(&format!(r#","version":{number}"#)),
        Some(ServiceVersion::Text(version)) => json.push_str(&format!(r#","version":{}"#, text(version))),
        None => {}
    }
    let actions = service.actions.iter().filter(|action| action.visibility != Visibility::Private);
    let actions = object(actions.map(|action| (&action.name, &action.definition)));
    let events = object(service.events.iter().map(|event| (&event.pattern, &event.definition)));
    json.push_str(&format!(
        r#","fullName":{},"settings":{},"metadata":{},"actions":{actions},"events":{events}}}"#,
        text(&info.full_name),
        info.settings.as_str(),
        info.metadata.as_str(),
    ));
    json
}

/// The array of all services. The internal services come first.
pub(super) fn services_json<'a>(services: impl Iterator<Item = (&'a Name, &'a str)>) -> String {
    let mut services: Vec<_> = services.collect();
    services.sort_by_key(|(name, _)| !name.starts_with('$'));
    let entries: Vec<_> = services.into_iter().map(|(_, json)| json).collect();
    format!("[{}]", entries.join(","))
}

fn client(client: &Client) -> String {
    let features = match &*client.features {
        [] => String::new(),
        features => format!(r#","features":{}"#, texts(features.iter())),
    };
    format!(
        r#"{{"type":{},"version":{},"langVersion":{}{features}}}"#,
        text(&client.kind),
        text(&client.version),
        text(&client.lang_version)
    )
}

fn object<'a>(members: impl Iterator<Item = (&'a Name, &'a Raw)>) -> String {
    let members: Vec<_> = members.map(|(name, value)| format!("{}:{}", text(name), value.as_str())).collect();
    format!("{{{}}}", members.join(","))
}

fn texts<'a>(all: impl Iterator<Item = &'a Name>) -> String {
    let all: Vec<_> = all.map(|one| text(one)).collect();
    format!("[{}]", all.join(","))
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
