//! Finding each other without any address, by UDP announcements that stay on the loopback interface.

use ligand::{ServiceBroker, Value};
use serde_json::json;
use std::net::{Ipv4Addr, UdpSocket};

use crate::harness::{Js, Version, rs, services_of, until, with_both_versions};

with_both_versions! { nodes_find_each_other_by_udp }

async fn nodes_find_each_other_by_udp(version: Version) {
    let namespace = format!("interop-{}-{}", std::process::id(), version.full());
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = json!({
        "nodeID": "js",
        "namespace": namespace,
        "transporter": {
            "type": "TCP",
            "options": {
                "udpBindAddress": "127.0.0.1", "udpMulticastTTL": 0, "udpPort": port, "gossipPeriod": 1,
                "udpPeriod": 1, "useHostname": false,
            },
        },
    });
    let url = format!(
        "tcp://?udpBindAddress=127.0.0.1&udpMulticastTTL=0&udpPort={port}&gossipPeriod=1&udpPeriod=1&useHostname=false&bind=127.0.0.1"
    );
    let rust = ServiceBroker::builder()
        .node_id("rust")
        .namespace(namespace)
        .transporter(url.as_str())
        .configure(|config| config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]))
        .service(rs())
        .build()
        .unwrap();
    let (js, started) = tokio::join!(Js::start(version, options, &["js"]), rust.start());
    started.unwrap();
    js.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["v3.rs"] })).await;
    until("it is found", async || services_of(&rust, "js").await.contains(&"v2.js".to_owned()).then_some(()))
        .await;
    assert_eq!(js.call("v3.rs.echo", json!(1)).await, Ok(json!(1)));
    assert_eq!(rust.call::<Value>("v2.js.echo", json!(1)).await.unwrap(), 1);
    rust.stop().await.unwrap();
}
