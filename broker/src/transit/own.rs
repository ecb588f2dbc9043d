//! What this node says about itself, and the function that runs another node's action.

use ligand_transporters::{Name, NodeId};
use std::sync::{Arc, Weak};

use super::fits::CLIENT;
use crate::broker::Shared;
use crate::config::BrokerConfig;
use crate::error::{Error, Outcome};
use crate::handler::ActionFn;
use crate::layer::{Pipeline, WrappedAction};
use crate::protocol::{ActionInfo, Client, Raw};
use crate::registry::{Composer, Identity};

/// The identity of this node (protocol chapter 2.4).
pub(crate) fn identity(config: &BrokerConfig, id: &NodeId, instance_id: &Name) -> Identity {
    let advertise = &config.advertise;
    let hostname = match &advertise.hostname {
        Some(hostname) => hostname.as_str().into(),
        None => hostname::get().unwrap_or_default().to_string_lossy().into_owned().into(),
    };
    let ip_list = match &advertise.ip_list {
        Some(list) => list.iter().map(Into::into).collect(),
        None => addresses(),
    };
    Identity {
        id: id.clone(),
        instance_id: instance_id.clone(),
        hostname,
        ip_list,
        client: Client {
            kind: Name::from_static(CLIENT),
            version: Name::from_static(env!("CARGO_PKG_VERSION")),
            lang_version: Name::from_static(concat!("rust ", env!("CARGO_PKG_RUST_VERSION"))),
            features: Vec::new(),
        },
        config: Raw::empty_object(),
        metadata: Raw::new(serde_json::Value::from(config.metadata.clone()).to_string().into()),
    }
}

/// One IPv4 address of each interface that is not internal. If there is none, the internal ones.
fn addresses() -> Vec<Name> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let pick = |internal: bool| {
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for interface in &interfaces {
            if interface.is_loopback() == internal
                && let std::net::IpAddr::V4(ip) = interface.ip()
                && !seen.contains(&&interface.name)
            {
                seen.push(&interface.name);
                found.push(ip.to_string().into());
            }
        }
        found
    };
    match pick(false) {
        found if found.is_empty() => pick(true),
        found => found,
    }
}

/// Makes the function that runs a remote action, with its layers around the way to the other node. It is
/// called once per distinct definition.
pub(crate) fn composer(broker: &Weak<Shared>, pipeline: &Arc<Pipeline>) -> Composer {
    let broker = Weak::clone(broker);
    let innermost: ActionFn = Arc::new(move |cx, params| {
        let transit = broker.upgrade().and_then(|shared| shared.transit().cloned());
        match transit {
            Some(transit) => transit.request(cx, params),
            None => Box::pin(std::future::ready(Err(Error::disconnected().with_outcome(Outcome::NotRun)))),
        }
    });
    let pipeline = Arc::clone(pipeline);
    Arc::new(move |service: &Name, info: &ActionInfo| {
        pipeline.remote_action(&WrappedAction::remote(service, info), &innermost)
    })
}
