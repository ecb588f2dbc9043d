//! A transporter of somebody else's: its scheme, its options, and where it can be named.

use async_trait::async_trait;
use ligand::config::{BrokerConfig, ConfigLoader};
use ligand::transport::memory::Network;
use ligand::transport::options::{COUNT, SECRET};
use ligand::transport::{
    Capabilities, Connection, Link, TransportError, Transporter, TransporterUrl, options,
};
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::json;
use std::fs;
use std::sync::{Arc, Mutex};

options! {
    /// Options of pipes.
    #[derive(Clone)]
    struct PipeOptions of "the pipe transporter";
    fields {
        /// How many pipes lie side by side.
        "pipeCount": COUNT => pub pipe_count: usize = 1;
        /// What opens the valve.
        "valve.password": SECRET => pub password: Option<String> = None;
    }
}

#[derive(Debug)]
struct Pipe {
    options: PipeOptions,
    network: Network,
    opened: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl Transporter for Pipe {
    fn scheme(&self) -> &'static str {
        "pipe"
    }

    fn capabilities(&self) -> Capabilities {
        self.network.transporter().capabilities()
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        self.opened.lock().unwrap().push(self.options.pipe_count);
        self.network.transporter().connect(link).await
    }
}

/// The pipe counts of the pipes that were opened.
type Opened = Arc<Mutex<Vec<usize>>>;

/// Makes pipes that report when they are opened.
fn pipes(
    opened: &Opened,
) -> impl Fn(&TransporterUrl) -> Result<Pipe, TransportError> + Clone + Send + Sync + 'static {
    let opened = Arc::clone(opened);
    move |url| {
        let mut options = PipeOptions::default();
        url.configure(&mut options)?;
        Ok(Pipe { options, network: Network::named("pipes"), opened: Arc::clone(&opened) })
    }
}

fn refused(build: Result<ServiceBroker, ligand::BuildError>) -> String {
    build.expect_err("it cannot be").to_string()
}

#[tokio::test]
async fn it_is_named_in_code_in_files_and_in_the_environment() {
    let opened = Opened::default();
    let make = pipes(&opened);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pipe.toml");
    fs::write(&file, "[transporter]\ntype = \"Pipe\"\noptions = { pipeCount = 3 }").unwrap();
    let variables = [("LIGAND_TRANSPORTER__TYPE", "pipe"), ("LIGAND_TRANSPORTER__OPTIONS__PIPE_COUNT", "4")];
    let environment = ConfigLoader::new().env_from(variables).load().unwrap();
    let whole = BrokerConfig::from_value(json!({ "transporter": "PIPE://?pipeCount=5" })).unwrap();

    let greeter = ServiceDef::builder("greeter")
        .action("hello", |_cx, name: String| async move { Ok::<_, Error>(format!("Hello {name}!")) });
    let builder = || ServiceBroker::builder().scheme("pipe", make.clone());
    let brokers = [
        // The scheme may come behind the URL.
        ServiceBroker::builder()
            .transporter("pipe://?pipeCount=2")
            .scheme("pipe", make.clone())
            .service(greeter),
        builder().from_file(&file),
        builder().config(environment),
        builder().config(whole),
    ];
    let mut started = Vec::new();
    for (number, broker) in brokers.into_iter().enumerate() {
        let broker = broker.namespace("pipes").node_id(format!("n{number}")).build().unwrap();
        broker.start().await.unwrap();
        started.push(broker);
    }
    assert_eq!(*opened.lock().unwrap(), [2, 3, 4, 5]);
    let last = started.last().unwrap();
    last.wait_for(&["greeter"]).await.unwrap();
    let text: String = last.call("greeter.hello", "Ada").await.unwrap();
    assert_eq!(text, "Hello Ada!");
    for broker in started {
        broker.stop().await.unwrap();
    }
}

#[test]
fn what_cannot_work_is_named_with_what_would() {
    let make = pipes(&Opened::default());
    let builder = || ServiceBroker::builder().scheme("pipe", make.clone());
    for (scheme, said) in [
        ("tcp", "is taken"),
        ("Kafka", "is taken"),
        ("pipe", "added before"),
        ("my pipe", "no scheme of a URL"),
    ] {
        let error = refused(builder().scheme(scheme, make.clone()).build());
        assert!(error.contains(said) && error.contains(&scheme.to_lowercase()), "{error}");
    }
    for (url, said) in [
        ("pip://", "did you mean `pipe`?"),
        ("pipe://?pipecounts=2", "did you mean `pipeCount`?"),
        (
            "pipe://?pipeCount=none",
            "option `pipeCount` of the pipe transporter is `none`: give a number above 0",
        ),
    ] {
        let error = refused(builder().transporter(url).build());
        assert!(error.contains(said), "{error}");
    }
    // What a configuration says wrongly is blamed on it.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pipe.json");
    fs::write(&file, r#"{ "transporter": { "type": "pipe", "options": { "pipeCount": 0 } } }"#).unwrap();
    let error = refused(builder().from_file(&file).build());
    assert!(error.starts_with("`transporter` in file `") && error.contains("`pipeCount`"), "{error}");
    // The scheme of another broker is none of this one.
    assert!(refused(ServiceBroker::builder().transporter("pipe://").build()).contains("unknown transporter"));
}

#[test]
fn a_secret_is_not_printed() {
    let mut options = PipeOptions::default();
    options.set("valve", r#"{ "password": "canary" }"#).unwrap();
    assert_eq!(options.password.as_deref(), Some("canary"));
    assert_eq!(format!("{options:?}"), "PipeOptions { pipe_count: 1, password: Some(***) }");
}
