//! What a node says of itself at info when it starts.

use async_trait::async_trait;
use ligand::transport::memory::{Memory, Network};
use ligand::transport::tcp::Tcp;
use ligand::transport::{Capabilities, Connection, Link, TransportError, Transporter};
use ligand::{ServiceBroker, ServiceDef, Value};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tests_support::log::Log;

use crate::ways::{ms, ok};

fn two_services() -> [ServiceDef; 2] {
    let math = ServiceDef::builder("math")
        .action("add", |_, _: Value| async { ok(1) })
        .action("sub", |_, _: Value| async { ok(1) });
    [math.build(), ServiceDef::builder("greeter").action("hello", |_, _: Value| async { ok(1) }).build()]
}

/// The lines of a start, and those parts of them that are the same every time.
async fn start(builder: ligand::BrokerBuilder) -> Vec<String> {
    let log = Log::of_this_thread(tracing::Level::INFO);
    let builder = two_services().into_iter().fold(builder, ligand::BrokerBuilder::service);
    let broker = builder.configure(|config| config.control.thread = false).build().unwrap();
    broker.start().await.unwrap();
    let lines = log.with("");
    broker.stop().await.unwrap();
    lines
}

fn has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

const SERVICES: &[&str] = &[
    "services=2 service_names=\"math, greeter\"",
    "actions=3 action_names=\"math.add, math.sub, greeter.hello\"",
    "broker started, ready after ",
];

#[tokio::test(start_paused = true)]
async fn a_node_without_a_transporter_says_so() {
    let lines = start(ServiceBroker::builder().node_id("solo").namespace("test")).await;
    let [first, ready] = &lines[..] else { panic!("{lines:#?}") };
    let who = ["node=solo", "namespace=\"test\"", "transporter=\"none\""];
    has(first, &who);
    has(first, &["broker starting", "INFO"]);
    has(ready, &who);
    has(ready, SERVICES);
    assert!(!ready.contains("listens_on"), "{ready}");
}

/// The in-memory network behind a URL with a password.
#[derive(Debug)]
struct Guarded(Memory);

#[async_trait]
impl Transporter for Guarded {
    fn scheme(&self) -> &'static str {
        "guarded"
    }
    fn url(&self) -> String {
        "guarded://user:s3cret@broker.internal:4222?token=s3cret".to_owned()
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        tokio::time::sleep(ms(40)).await;
        self.0.connect(link).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_servers_are_told_without_their_passwords_and_how_long_it_took() {
    let transporter = Guarded(Network::new().transporter());
    let lines = start(ServiceBroker::builder().node_id("n").transporter(transporter)).await;
    assert!(!lines.concat().contains("s3cret"), "{lines:#?}");
    let [first, connected, ready] = &lines[..] else { panic!("{lines:#?}") };
    for line in [first, connected, ready] {
        has(line, &["INFO", "node=n", "transporter=\"guarded://***@broker.internal:4222?token=***\""]);
    }
    has(connected, &["transporter connected", "attempts=1 elapsed_ms=40"]);
    has(ready, SERVICES);
    let took = ready.split("elapsed_ms=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(took.parse::<u64>().unwrap() >= 40, "{ready}");
    has(ready, &[&format!("ready after {took} ms")]);
}

#[tokio::test]
async fn over_tcp_the_address_and_port_are_told_on_which_it_listens() {
    let tcp = Tcp::new().bind(Ipv4Addr::LOCALHOST).udp_discovery(false);
    let lines = start(ServiceBroker::builder().node_id("n").transporter(tcp)).await;
    let ready = lines.last().unwrap();
    has(ready, &["transporter=\"tcp://\""]);
    has(ready, SERVICES);
    let port = ready.split("listens_on=127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)), "{ready}");
}

/// Set in the process that writes the log of the test below.
const CHILD: &str = "LIGAND_TEST_WRITES_A_LOG";

#[test]
fn a_log_that_goes_to_no_terminal_has_no_colours_and_nothing_below_info() {
    if std::env::var_os(CHILD).is_some() {
        ligand::logging::init();
        tracing::error!(node = "n", "it went wrong");
        tracing::debug!("a detail");
        return;
    }
    let name = "node_log::a_log_that_goes_to_no_terminal_has_no_colours_and_nothing_below_info";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env_remove("LIGAND_LOG")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    let lines: Vec<_> = log.lines().collect();
    let [line] = lines[..] else { panic!("{log}") };
    has(line, &["ERROR", "it went wrong node=\"n\""]);
    assert!(!line.contains('\x1b'), "{line:?}");
}
