//! `ride_sharing` and `orders` over each message server that is compiled in: they print what they always do.
#![forbid(unsafe_code)]

#[path = "support/rides.rs"]
mod rides;
#[allow(dead_code, reason = "nothing runs beside the test when Node.js is left out")]
mod support;

use rides::{PAID_AND_DECLINED, assert_complete, golden, paid_and_declined, rides};
use support::{program, run};
use tokio::sync::{Mutex, MutexGuard};

/// One test at a time: on one server, nodes of two runs would be those of one cluster.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A server that nobody else uses as long as this lives.
struct Server {
    url: String,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    /// The server that a variable names.
    async fn named_by(variable: &str) -> Self {
        let url = std::env::var(variable).unwrap_or_else(|_| {
            panic!(
                "{variable} is not set: run the tests by scripts/test, which starts the servers, or name one"
            )
        });
        Self { url, _alone: ALONE.lock().await }
    }
}

async fn print_the_same(variable: &str) {
    let server = Server::named_by(variable).await;

    let arguments = ["--transporter", &server.url, "--input", "-", "--in-flight", "1"];
    let ended = run(rides(&arguments), &paid_and_declined()).await;
    assert_complete(&ended);
    assert_eq!(golden(&ended.out), PAID_AND_DECLINED);

    let mut orders = program("orders");
    orders.args(["--transporter", &server.url]);
    let ended = run(orders, "").await;
    assert_eq!((ended.out.as_str(), ended.err.as_str(), ended.code), (order_placed(), "", Some(0)));
}

/// What `orders` prints without a bus, as its README shows it.
fn order_placed() -> &'static str {
    let readme = include_str!("../orders/README.md");
    let (_, shown) =
        readme.split_once("$ cargo run --example orders\n").expect("the README shows the command");
    &shown[..shown.find("$ ").expect("it shows another command")]
}

macro_rules! they_print_the_same {
    ($(#[$compiled_in:meta] $over:ident at $variable:literal;)*) => {$(
        #[$compiled_in]
        #[tokio::test]
        async fn $over() {
            print_the_same($variable).await;
        }
    )*};
}

they_print_the_same! {
    #[cfg(feature = "nats")] over_nats at "NATS_URL";
    #[cfg(feature = "redis")] over_redis at "REDIS_URL";
    #[cfg(feature = "mqtt")] over_mqtt at "MQTT_URL";
    #[cfg(feature = "amqp")] over_amqp at "AMQP_URL";
    #[cfg(feature = "kafka")] over_kafka at "KAFKA_URL";
}

/// Beside a stock Moleculer node, which takes the place of one of ours.
#[cfg(all(unix, feature = "nats", feature = "_interop"))]
mod with_node {
    use std::path::Path;
    use std::process::Stdio;

    use tokio::process::Command;

    use super::{PAID_AND_DECLINED, Server, assert_complete, golden, paid_and_declined, rides};
    use crate::support::{Running, run};

    #[tokio::test]
    async fn a_stock_node_notifies_in_the_same_flows_under_the_same_request_ids() {
        let server = Server::named_by("NATS_URL").await;
        let directory = tempfile::tempdir().expect("there is room for the databases");
        let databases = directory.path().display().to_string();
        let mut services = vec![Running::start(notifications(&server.url))];
        for role in ["users", "rides", "payments"] {
            let arguments = ["--role", role, "--database", &databases, "--transporter", &server.url];
            services.push(Running::start(rides(&arguments)));
        }
        for (service, role) in services.iter_mut().zip(["notifications", "users", "rides", "payments"]) {
            assert_eq!(service.line().await, format!("{role}-1 runs until Ctrl-C"));
        }

        let app = ["--role", "app", "--transporter", &server.url, "--input", "-", "--in-flight", "1"];
        let ended = run(rides(&app), &paid_and_declined()).await;

        assert_complete(&ended);
        assert_eq!(golden(&ended.out), PAID_AND_DECLINED);
        // The app knows the ids by which it asked, the stock node those of the events that reached it.
        let asked = ended.out.lines().filter_map(|line| line.strip_suffix(')')?.split_once(", request "));
        let asked: Vec<_> = asked.map(|(_, id)| id).collect();
        assert_eq!(asked.len(), 2, "{}", ended.out);
        for (id, ride) in asked.into_iter().zip(1..) {
            assert_eq!(services[0].line().await, format!("tells of ride {ride}, request {id}"));
        }
        for service in services {
            assert!(service.stop("TERM").await.success());
        }
    }

    /// The notification service in Node.js.
    fn notifications(url: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ride_sharing/js/notifications.js");
        assert!(
            script.with_file_name("node_modules").exists(),
            "moleculer is not installed: run `scripts/node-setup`, which needs Node.js and npm"
        );
        let mut node = Command::new("node");
        node.arg(script).args(["--transporter", url]);
        node.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        node
    }
}
