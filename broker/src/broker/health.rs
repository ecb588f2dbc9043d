//! What `$node.health` tells (protocol chapter 14). Only what is harmless: no command line, no
//! environment.

use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Shared;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When this process began, as far as it matters: when the first broker was built.
pub(super) fn started() -> Instant {
    *STARTED
}

pub(super) fn health(shared: &Shared) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let snapshot = shared.registry.load();
    let ips: Vec<_> = snapshot
        .node_by_id(shared.node_id.as_str())
        .map(|node| node.ip_list().iter().map(|ip| ip.as_str().to_owned()).collect())
        .unwrap_or_default();
    json!({
        "cpu": cpu(),
        "mem": memory(),
        "os": {
            "type": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "platform": std::env::consts::OS,
            "hostname": hostname::get().unwrap_or_default().to_string_lossy(),
        },
        "process": { "pid": std::process::id(), "uptime": started().elapsed().as_secs_f64(), "argv": [] },
        "client": { "type": "rust", "version": env!("CARGO_PKG_VERSION"), "langVersion": concat!("rust ", env!("CARGO_PKG_RUST_VERSION")) },
        "net": { "ip": ips },
        "time": { "now": u64::try_from(now.as_millis()).unwrap_or(u64::MAX) },
    })
}

#[cfg(feature = "cpu")]
fn cpu() -> Value {
    let load = sysinfo::System::load_average();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Node's formula: the load of a minute, spread over the cores, at most 100.
    let utilization = (load.one * 100.0 / cores as f64).floor().min(100.0);
    json!({
        "load1": load.one, "load5": load.five, "load15": load.fifteen,
        "cores": cores, "utilization": utilization,
    })
}

#[cfg(feature = "cpu")]
fn memory() -> Value {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let (free, total) = (system.available_memory(), system.total_memory());
    json!({ "free": free, "total": total, "percent": free as f64 * 100.0 / total.max(1) as f64 })
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> Value {
    json!({ "cores": std::thread::available_parallelism().map_or(1, usize::from) })
}

#[cfg(not(feature = "cpu"))]
fn memory() -> Value {
    json!({})
}
