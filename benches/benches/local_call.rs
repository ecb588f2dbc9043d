//! A call to an action of the same process. The floor is a boxed async function that is found by its name.

use criterion::{Criterion, criterion_group, criterion_main};
use foldhash::HashMap;
use futures_util::future::BoxFuture;
use ligand::ServiceBroker;
use ligand_benches::services::{Pair, PassOn, math, started};
use serde_json::{Value, json};
use std::hint::black_box;
use tokio::runtime::Builder;

type Boxed = Box<dyn Fn(Pair) -> BoxFuture<'static, Result<i64, ligand::Error>> + Send + Sync>;

fn floor() -> HashMap<String, Boxed> {
    let add = || -> Boxed { Box::new(|pair: Pair| Box::pin(pair.add())) };
    let mut table: HashMap<String, Boxed> =
        (0..200).map(|other| (format!("math.other{other}"), add())).collect();
    table.insert("math.add".to_owned(), add());
    table
}

fn local_call(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let plain = runtime.block_on(started(ServiceBroker::builder().node_id("plain").service(math())));
    let layered = ServiceBroker::builder().node_id("layered").layer(PassOn).service(math());
    let layered = runtime.block_on(started(layered));
    let pair = || black_box(Pair { a: 5, b: 3 });
    let mut group = criterion.benchmark_group("local_call");

    let table = floor();
    group.bench_function("floor", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let run = table.get(black_box("math.add")).expect("it was put in");
            run(pair()).await.expect("it never fails")
        });
    });
    group.bench_function("typed", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            plain.call_typed::<i64, _>(black_box("math.add"), pair()).await.expect("it never fails")
        });
    });
    let site = plain.action("math.add");
    group.bench_function("action_ref", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { site.call_typed::<i64, _>(pair()).await.expect("it never fails") });
    });
    group.bench_function("both_chains", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            layered.call_typed::<i64, _>(black_box("math.add"), pair()).await.expect("it never fails")
        });
    });
    let site = layered.action("math.add");
    group.bench_function("both_chains_action_ref", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { site.call_typed::<i64, _>(pair()).await.expect("it never fails") });
    });
    group.bench_function("json_value", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let params = json!({ "a": black_box(5), "b": black_box(3) });
            plain.call_typed::<Value, _>(black_box("math.add"), params).await.expect("it never fails")
        });
    });
    group.bench_function("encoded", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            plain.call::<i64>(black_box("math.add"), pair()).await.expect("it never fails")
        });
    });
    group.finish();
    eprintln!("{}", ligand_benches::build());
}

criterion_group!(benches, local_call);
criterion_main!(benches);
