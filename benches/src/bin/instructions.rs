//! Runs one subject of the groups `local_call` and `events` a given number of times, for callgrind.
//!
//! Time on a shared machine is noisy, but instructions are not. `scripts/instructions` runs this twice for
//! each subject, and prints the difference per run.

use futures_util::future::BoxFuture;
use ligand::{Context, Error, Payload, ServiceBroker, ServiceDef, Shared};
use ligand_benches::services::{Pair, PassOn, math, started};
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Builder;

const SUBJECTS: [&str; 9] =
    ["floor", "typed", "action_ref", "both_chains", "json_value", "encoded", "nested", "emit_1", "emit_100"];

type Boxed = Box<dyn Fn(Pair) -> BoxFuture<'static, Result<i64, Error>> + Send + Sync>;

fn pair() -> Pair {
    black_box(Pair { a: 5, b: 3 })
}

fn outer() -> ServiceDef {
    let ask = |cx: Context, pair: Pair| async move { cx.call_typed::<i64, _>("math.add", pair).await };
    ServiceDef::builder("outer").action("ask", ask).build()
}

fn subscriber(n: usize) -> ServiceDef {
    let handler = |_: Context, pair: Shared<Pair>| async move {
        black_box(pair.a);
        Ok::<_, Error>(())
    };
    ServiceDef::builder(format!("subscriber{n}")).event("pair.made", handler).build()
}

async fn run(subject: &str, times: u64) -> Result<(), Error> {
    let (builder, action) = match subject {
        "both_chains" => (ServiceBroker::builder().layer(PassOn), "math.add"),
        "nested" => (ServiceBroker::builder().service(outer()), "outer.ask"),
        _ => (ServiceBroker::builder(), "math.add"),
    };
    let subscribers = subject.strip_prefix("emit_").and_then(|n| n.parse().ok()).unwrap_or(0);
    let builder = (0..subscribers).fold(builder, |builder, n| builder.service(subscriber(n)));
    let broker = started(builder.node_id("local").service(math())).await;
    let mut table: foldhash::HashMap<String, Boxed> = foldhash::HashMap::default();
    for name in (0..200).map(|other| format!("math.other{other}")).chain(["math.add".to_owned()]) {
        table.insert(name, Box::new(|pair: Pair| Box::pin(pair.add())));
    }
    let site = broker.action("math.add");
    for _ in 0..times {
        match subject {
            "floor" => {
                let run = table.get(black_box("math.add")).expect("it was put in");
                black_box(run(pair()).await?);
            }
            "action_ref" => {
                black_box(site.call_typed::<i64, _>(pair()).await?);
            }
            "json_value" => {
                let params = json!({ "a": black_box(5), "b": black_box(3) });
                black_box(broker.call_typed::<Value, _>(black_box(action), params).await?);
            }
            "encoded" => {
                black_box(broker.call::<i64>(black_box(action), pair()).await?);
            }
            subject if subject.starts_with("emit_") => {
                broker.emit(black_box("pair.made"), Payload::shared(Arc::new(pair()))).await?;
            }
            _ => {
                black_box(broker.call_typed::<i64, _>(black_box(action), pair()).await?);
            }
        }
    }
    broker.stop().await.map_err(Error::internal)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (subject, times) = (args.next(), args.next().and_then(|times| times.parse().ok()));
    let (Some(subject), Some(times)) = (subject, times) else {
        SUBJECTS.iter().for_each(|subject| println!("{subject}"));
        return ExitCode::SUCCESS;
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run(&subject, times)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{subject}: {error}");
            ExitCode::FAILURE
        }
    }
}
