//! Nodes of ours: one inside this program, and others in processes of their own, which can be killed.

use ligand::{Context, Error, ServiceBroker, ServiceDef, Value};
use serde_json::json;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::js::Version;
use crate::set::Place;

/// Builds and starts a node of ours.
pub(crate) async fn start(
    name: &str,
    place: &Place,
    services: Vec<ServiceDef>,
) -> Result<ServiceBroker, String> {
    let serializer = serde_json::from_value(json!(place.serializer)).map_err(|error| error.to_string())?;
    let protocol = if place.version == Version::V014 { "4" } else { "5" };
    let protocol = serde_json::from_value(json!(protocol)).map_err(|error| error.to_string())?;
    let builder =
        ServiceBroker::builder().node_id(name).namespace(&place.namespace).transporter(&place.url).configure(
            move |config| {
                config.serializer = serializer;
                config.protocol = protocol;
                config.heartbeat_interval = std::time::Duration::from_secs(1);
                config.heartbeat_timeout = std::time::Duration::from_secs(3);
                config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]);
            },
        );
    let builder = services.into_iter().fold(builder, |builder, service| builder.service(service));
    let broker = builder.build().map_err(|error| error.to_string())?;
    broker.start().await.map_err(|error| error.to_string())?;
    Ok(broker)
}

/// The service of a node in a process of its own.
pub(crate) fn late() -> ServiceDef {
    ServiceDef::builder("late")
        .action("where", |cx: Context, _params: Value| async move {
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        .build()
}

/// Is such a node, until its input ends.
pub(crate) async fn alone(name: &str, place: &str) {
    let place: Place = Place::read(place);
    let broker = start(name, &place, vec![late()]).await.expect("the node starts");
    println!("ready");
    // However the input ends, it is the end.
    let _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
    broker.stop().await.expect("it stops well");
}

/// A node of ours in a process of its own. Dropping it kills it.
pub(crate) struct Alone {
    process: Child,
    input: Option<ChildStdin>,
}

impl Alone {
    pub(crate) async fn start(name: &str, place: &Place) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args(["--node", name, &place.written()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let ready = tokio::time::timeout(crate::PATIENCE, lines.next_line()).await;
        assert!(matches!(ready, Ok(Ok(Some(_)))), "a node of ours does not start in a process of its own");
        let input = process.stdin.take();
        Self { process, input }
    }

    /// Lets it leave in peace.
    pub(crate) async fn leave(mut self) {
        self.input = None;
        let left = tokio::time::timeout(crate::PATIENCE, self.process.wait()).await;
        assert!(
            matches!(left, Ok(Ok(status)) if status.success()),
            "a node of ours does not leave: {left:?}"
        );
    }

    /// As `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.expect("it runs");
    }
}
