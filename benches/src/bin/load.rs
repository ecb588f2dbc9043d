//! Open-loop load against an action of a cluster, with a histogram of latencies.
//!
//! `load URL [--action NAME] [--params JSON] [--rate N] [--seconds N] [--node ID] [--namespace NAME]`
//!
//! Calls begin at a fixed rate, even if earlier ones have not been answered, and the latency of a call counts
//! from the time at which it was due. So a cluster that stalls is charged for every call that it kept waiting
//! (no coordinated omission). Without `--action`, the program offers its own echo at the same URL, from a
//! second broker.
#![allow(clippy::disallowed_methods, reason = "a benchmark ends with all its tasks and threads")]

use hdrhistogram::Histogram;
use ligand::{Context, Error, Outcome, Payload, Reply, ServiceBroker, ServiceDef, Value};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const USAGE: &str = "usage: load URL [--action NAME] [--params JSON] [--rate CALLS_PER_SECOND] \
                     [--seconds N] [--node ID] [--namespace NAME]";

/// The number of results that may wait to be counted. If there are more, their tasks wait.
const RESULTS: usize = 65_536;

struct Options {
    url: String,
    action: Option<String>,
    params: Value,
    rate: f64,
    seconds: f64,
    node: String,
    namespace: String,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            url: String::new(),
            action: None,
            params: serde_json::json!({ "d": "0123456789" }),
            rate: 1_000.0,
            seconds: 10.0,
            node: format!("load-{}", std::process::id()),
            namespace: String::new(),
        };
        while let Some(arg) = args.next() {
            if !arg.starts_with("--") {
                options.url = arg;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            let number = || match value.parse::<f64>() {
                Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
                _ => Err(format!("{arg} needs a number above 0, not `{value}`")),
            };
            match arg.as_str() {
                "--action" => options.action = Some(value),
                "--params" => {
                    options.params =
                        serde_json::from_str(&value).map_err(|error| format!("--params: {error}"))?;
                }
                "--rate" => options.rate = number()?,
                "--seconds" => options.seconds = number()?,
                "--node" => options.node = value,
                "--namespace" => options.namespace = value,
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        if options.url.is_empty() {
            Err("the URL of a transporter is missing".to_owned())
        } else {
            Ok(options)
        }
    }

    async fn broker(&self, node: &str, services: Vec<ServiceDef>) -> Result<ServiceBroker, String> {
        let builder = ServiceBroker::builder().node_id(node).namespace(&self.namespace);
        let builder =
            services.into_iter().fold(builder.transporter(self.url.as_str()), ligand::BrokerBuilder::service);
        let broker = builder.build().map_err(|error| error.to_string())?;
        broker.start().await.map_err(|error| error.to_string())?;
        Ok(broker)
    }
}

fn echo() -> ServiceDef {
    ServiceDef::builder("echo")
        .action_raw("raw", |_cx: Context, body: Payload| async move { Ok::<_, Error>(Reply::from(body)) })
        .build()
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Options::read(std::env::args().skip(1)) {
        Ok(options) => run(&options).await,
        Err(error) => Err(format!("{error}\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The time from when a call was due to its end, and its result.
type Ended = (Duration, Result<(), Error>);

async fn run(options: &Options) -> Result<(), String> {
    let echo = match options.action {
        None => Some(options.broker(&format!("{}-echo", options.node), vec![echo()]).await?),
        Some(_) => None,
    };
    let broker = options.broker(&options.node, Vec::new()).await?;
    let action = options.action.as_deref().unwrap_or("echo.raw");
    let (service, _) = action.rsplit_once('.').ok_or("an action is named `service.action`")?;
    broker.wait_for_within(&[service], Duration::from_secs(30)).await.map_err(|error| error.to_string())?;

    let (ended, mut all) = mpsc::channel(RESULTS);
    let pacing = pace(broker.clone(), action.to_owned(), options, ended);
    let collecting = async {
        // From a microsecond to ten minutes, with three digits.
        let mut latency =
            Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).map_err(|error| error.to_string())?;
        let mut failures = BTreeMap::<String, u64>::new();
        while let Some((took, result)) = all.recv().await {
            latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
            if let Err(error) = result {
                let ran = if error.outcome() == Outcome::NotRun { "not run" } else { "may have run" };
                *failures.entry(format!("{:?} ({ran})", error.kind())).or_default() += 1;
            }
        }
        Ok::<_, String>((latency, failures))
    };
    let (began, collected) = tokio::join!(pacing, collecting);
    let (latency, failures) = collected?;
    report(options, &latency, &failures, began.elapsed());
    broker.stop().await.map_err(|error| error.to_string())?;
    if let Some(echo) = echo {
        echo.stop().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Begins each call when it is due. Returns when the first one began.
async fn pace(
    broker: ServiceBroker,
    action: String,
    options: &Options,
    ended: mpsc::Sender<Ended>,
) -> Instant {
    let began = Instant::now();
    let calls = (options.rate * options.seconds) as u64;
    for n in 0..calls {
        let due = began + Duration::from_secs_f64(n as f64 / options.rate);
        // Timers tick in milliseconds: calls that are due within one begin together, and late ones at once.
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let (broker, action, ended, params) =
            (broker.clone(), action.clone(), ended.clone(), options.params.clone());
        tokio::spawn(async move {
            let result = broker.call::<()>(action, params).await;
            // The latency is measured before this waits for room. The receiver outlives all senders.
            let _ = ended.send((due.elapsed(), result)).await;
        });
    }
    began
}

fn report(options: &Options, latency: &Histogram<u64>, failures: &BTreeMap<String, u64>, took: Duration) {
    let seconds = took.as_secs_f64();
    println!("{} calls in {seconds:.1} s, {:.0} per second asked for", latency.len(), options.rate);
    println!("{:.0} per second answered", latency.len() as f64 / seconds);
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)]
    {
        println!("{name:>8}{:>12} us", latency.value_at_quantile(quantile));
    }
    println!("{:>8}{:>12} us", "max", latency.max());
    for (error, count) in failures {
        println!("{count} failed: {error}");
    }
}
