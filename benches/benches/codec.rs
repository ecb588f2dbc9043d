//! Reading and writing packets, compared with `serde_json` on the same bytes.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use ligand::__bench::{RequestCodec, decode_info};
use ligand::Codec;
use ligand_benches::info;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::hint::black_box;

/// Recorded from a Node broker.
const REQUEST: &[u8] = include_bytes!("../../broker/tests/vectors/request-0.15.json");

/// A REQUEST as one would write it with serde: borrowed strings, and bodies that are not decoded.
#[derive(Serialize, Deserialize)]
struct Request<'a> {
    id: &'a str,
    action: &'a str,
    #[serde(borrow)]
    params: &'a RawValue,
    #[serde(borrow)]
    meta: &'a RawValue,
    #[serde(borrow)]
    headers: &'a RawValue,
    timeout: f64,
    level: u32,
    tracing: Option<bool>,
    #[serde(rename = "parentID")]
    parent_id: Option<&'a str>,
    #[serde(rename = "requestID")]
    request_id: Option<&'a str>,
    caller: Option<&'a str>,
    stream: Option<bool>,
    ver: &'a str,
    sender: &'a str,
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");

    let floor: Request<'_> = serde_json::from_slice(REQUEST).expect("a captured packet");
    let mut out = Vec::with_capacity(1024);
    group.bench_function("request/encode/serde", |bencher| {
        bencher.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&floor)).expect("it can be written");
            out.len()
        });
    });
    let mut request = RequestCodec::new(Bytes::from_static(REQUEST));
    group
        .bench_function("request/encode/ligand", |bencher| bencher.iter(|| black_box(&mut request).encode()));

    group.bench_function("request/decode/serde", |bencher| {
        bencher.iter(|| {
            let request: Request<'_> = serde_json::from_slice(black_box(REQUEST)).expect("a captured packet");
            request.params.get().len()
        });
    });
    group.bench_function("request/decode/ligand", |bencher| bencher.iter(|| black_box(&request).decode()));

    for codec in [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let name = codec.as_str().to_lowercase();
        let mut request = RequestCodec::new(Bytes::from_static(REQUEST)).speaking(codec);
        group.bench_function(format!("request/encode/{name}"), |bencher| {
            bencher.iter(|| black_box(&mut request).encode());
        });
        group.bench_function(format!("request/decode/{name}"), |bencher| {
            bencher.iter(|| black_box(&request).decode());
        });
    }

    let info = info::packet(1, false);
    group.bench_function("info/decode/serde_value", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Value>(black_box(&info)).expect("it is valid"));
    });
    group.bench_function("info/decode/ligand", |bencher| bencher.iter(|| decode_info(black_box(&info))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
