//! The registry of a large cluster: 1,000 nodes with 20 services of ten actions each.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ligand::__bench::Nodes;
use ligand_benches::info;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn cluster(nodes: usize) -> Nodes {
    let registry = Nodes::new();
    for n in 0..nodes {
        assert!(registry.info(&info::packet(n, false)));
    }
    registry
}

fn registry(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registry");
    for nodes in [10, 1_000] {
        let registry = cluster(nodes - 1);
        for (name, own) in [("equal_services", false), ("own_services", true)] {
            let (packet, node) = (info::packet(nodes, own), info::node(nodes));
            group.bench_function(format!("info/{name}/{nodes}"), |bencher| {
                bencher.iter_custom(|times| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..times {
                        let from = Instant::now();
                        black_box(registry.info(black_box(&packet)));
                        spent += from.elapsed();
                        registry.forget(&node);
                    }
                    spent
                });
            });
        }
    }

    let registry = cluster(1_000);
    let entries: Vec<_> = (0..1_000).collect();
    let at = std::cell::Cell::new(0);
    group.bench_function("pick/floor", |bencher| {
        bencher.iter(|| {
            at.set(at.get() + 1);
            black_box(&entries)[at.get() % entries.len()]
        });
    });
    group.bench_function("pick/1000", |bencher| {
        bencher.iter(|| registry.pick(black_box("service7.action3")));
    });
    let (packet, node) = (info::packet(500, false), info::node(500));
    group.bench_function("lost/1000", |bencher| {
        bencher.iter_batched(
            || registry.info(&packet),
            |_| registry.lost(black_box(&node)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, registry);
criterion_main!(benches);
