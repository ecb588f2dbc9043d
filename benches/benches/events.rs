//! An event to subscribers of the same process. The floor is to run boxed handlers one after the other.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::BoxFuture;
use ligand::{Context, ServiceBroker, ServiceDef, Shared};
use ligand_benches::services::{Pair, started};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::runtime::Builder;

type Handler = Box<dyn Fn(Arc<Pair>) -> BoxFuture<'static, Result<(), ligand::Error>> + Send + Sync>;

static SUM: AtomicI64 = AtomicI64::new(0);

fn handled(pair: &Pair) {
    // A load and a store: the path to the handler is measured, not contention.
    SUM.store(SUM.load(Ordering::Relaxed).wrapping_add(pair.a), Ordering::Relaxed);
}

fn subscriber(n: usize) -> ServiceDef {
    ServiceDef::builder(format!("subscriber{n}"))
        .event("pair.made", |_cx: Context, pair: Shared<Pair>| async move {
            handled(&pair);
            Ok::<_, ligand::Error>(())
        })
        .build()
}

fn floor(subscribers: usize) -> Vec<Handler> {
    let handler = |_| -> Handler {
        Box::new(|pair| {
            Box::pin(async move {
                handled(&pair);
                Ok(())
            })
        })
    };
    (0..subscribers).map(handler).collect()
}

fn events(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("events");
    for subscribers in [1, 10, 100] {
        group.throughput(Throughput::Elements(subscribers as u64));
        let handlers = floor(subscribers);
        group.bench_function(BenchmarkId::new("floor", subscribers), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let pair = Arc::new(black_box(Pair { a: 5, b: 3 }));
                for handler in &handlers {
                    handler(Arc::clone(&pair)).await.expect("it never fails");
                }
            });
        });
        let builder = (0..subscribers)
            .fold(ServiceBroker::builder().node_id("local"), |builder, n| builder.service(subscriber(n)));
        let broker = runtime.block_on(started(builder));
        group.bench_function(BenchmarkId::new("emit", subscribers), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let pair = ligand::Payload::shared(Arc::new(black_box(Pair { a: 5, b: 3 })));
                broker.emit(black_box("pair.made"), pair).await.expect("it never fails");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
