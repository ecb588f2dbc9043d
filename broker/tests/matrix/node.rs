//! Nodes of ours: one inside this program, and others in processes of their own, which can be killed.

use ligand::{Context, Error, ServiceBroker, ServiceDef, Value};
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::servers;
use crate::sets::{self, Set, Which};

/// What a node of ours has to know to join a set.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) set: Set,
    pub(crate) namespace: String,
    /// Of the transporter.
    pub(crate) url: String,
}

/// Builds and starts a node of ours.
pub(crate) async fn start(
    name: &str,
    place: &Place,
    services: Vec<ServiceDef>,
) -> Result<ServiceBroker, String> {
    let set = place.set;
    let serializer = serde_json::from_value(json!(set.serializer)).map_err(|error| error.to_string())?;
    let protocol = serde_json::from_value(json!(set.protocol())).map_err(|error| error.to_string())?;
    let discoverer = servers::discoverer(&set).map(|server| server.url()).transpose()?;
    let builder = ServiceBroker::builder().node_id(name).namespace(&place.namespace).transporter(&place.url);
    let builder = builder.configure(move |config| {
        config.serializer = serializer;
        config.protocol = protocol;
        config.disable_balancer = set.is_balanced_by_bus();
        config.heartbeat_interval = Duration::from_secs(1);
        config.heartbeat_timeout = Duration::from_secs(3);
        config.registry.prefer_local = false;
        config.registry.discoverer = discoverer.map(Into::into);
        config.advertise.ip_list = Some(vec!["127.0.0.1".to_owned()]);
    });
    let builder = set.layers().iter().fold(builder, |builder, layer| layer.on(builder));
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
pub(crate) async fn alone(name: &str, set: &str, namespace: &str, url: &str) {
    let set = sets::sets(Which::All).into_iter().find(|one| one.name() == set).expect("a set of this name");
    let place = Place { set, namespace: namespace.to_owned(), url: url.to_owned() };
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
            .args(["--node", name, &place.set.name(), &place.namespace, &place.url])
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
