//! The state of this process: [`Health`]. `$node.health` shows it to other nodes (protocol chapter 14). It
//! contains only what is harmless: no command line, and no environment.

use serde::{Serialize, Serializer};
use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{ServiceBroker, Shared};

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When this process began. The time when the first broker was built stands for it.
pub(super) fn started() -> Instant {
    *STARTED
}

/// What a node reports about its process and machine. Serialized, it has the names of `$node.health`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The processors.
    pub cpu: CpuHealth,
    /// The memory of the machine.
    pub mem: MemoryHealth,
    /// The operating system.
    pub os: OsHealth,
    /// This process.
    pub process: ProcessHealth,
    /// This framework.
    pub client: ClientHealth,
    /// How this node is reached.
    pub net: NetHealth,
    /// The clock.
    pub time: TimeHealth,
}

/// The load of the machine. It is measured only with the feature `cpu`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CpuHealth {
    /// The number of cores that this process may use.
    pub cores: usize,
    /// The load averages of the machine over one, five and fifteen minutes.
    #[serde(flatten)]
    pub load: Option<Load>,
}

/// Load averages as the system gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Load {
    /// Over one minute.
    pub load1: f64,
    /// Over five minutes.
    pub load5: f64,
    /// Over fifteen minutes.
    pub load15: f64,
    /// The load of one minute divided by the number of cores, in whole percent, at most 100 (Node's formula
    /// in `cpu-usage.js`).
    pub utilization: f64,
}

/// The memory of the machine. It is measured only with the feature `cpu`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MemoryHealth {
    /// Free and total memory.
    #[serde(flatten)]
    pub measured: Option<Memory>,
}

/// Amounts of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes that a program can still allocate.
    pub free: u64,
    /// Bytes in total.
    pub total: u64,
    /// The free part in percent, 0 to 100.
    pub percent: f64,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OsHealth {
    /// Its name, such as `linux`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The same name, in the field where Node has it.
    pub platform: &'static str,
    /// The processor's architecture, such as `x86_64`.
    pub arch: &'static str,
    /// The machine's name.
    pub hostname: String,
}

/// This process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProcessHealth {
    /// Its id.
    pub pid: u32,
    /// Seconds since its first broker was built.
    pub uptime: f64,
    /// Always empty: a command line may hold secrets.
    pub argv: [String; 0],
}

/// This framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClientHealth {
    /// `rust`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The version of ligand.
    pub version: &'static str,
    /// The oldest version of Rust that ligand supports.
    #[serde(rename = "langVersion")]
    pub lang_version: &'static str,
}

/// How this node is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NetHealth {
    /// The addresses that the node announces.
    pub ip: Vec<String>,
}

/// The clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TimeHealth {
    /// When this report was made.
    #[serde(serialize_with = "milliseconds")]
    pub now: SystemTime,
}

fn milliseconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl ServiceBroker {
    /// The state of this process, as `$node.health` reports it. With the feature `cpu` it also measures the
    /// load and the memory of the machine, which takes some microseconds.
    ///
    ///
    /// For the state of other nodes, see [`nodes`](Self::nodes).
    #[must_use]
    pub fn health(&self) -> Health {
        health(self.shared())
    }
}

pub(super) fn health(shared: &Shared) -> Health {
    let snapshot = shared.registry.load();
    let own = snapshot.node_by_id(shared.node_id.as_str());
    Health {
        cpu: cpu(),
        mem: memory(),
        os: OsHealth {
            kind: std::env::consts::OS,
            platform: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            hostname: hostname::get().unwrap_or_default().to_string_lossy().into_owned(),
        },
        process: ProcessHealth {
            pid: std::process::id(),
            uptime: started().elapsed().as_secs_f64(),
            argv: [],
        },
        client: ClientHealth {
            kind: "rust",
            version: env!("CARGO_PKG_VERSION"),
            lang_version: concat!("rust ", env!("CARGO_PKG_RUST_VERSION")),
        },
        net: NetHealth {
            ip: own
                .map(|node| node.ip_list().iter().map(|ip| ip.as_str().to_owned()).collect())
                .unwrap_or_default(),
        },
        time: TimeHealth { now: SystemTime::now() },
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(feature = "cpu")]
fn cpu() -> CpuHealth {
    let load = sysinfo::System::load_average();
    let cores = cores();
    let utilization = (load.one * 100.0 / cores as f64).floor().min(100.0);
    let load = Load { load1: load.one, load5: load.five, load15: load.fifteen, utilization };
    CpuHealth { cores, load: Some(load) }
}

#[cfg(feature = "cpu")]
fn memory() -> MemoryHealth {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let (free, total) = (system.available_memory(), system.total_memory());
    let percent = free as f64 * 100.0 / total.max(1) as f64;
    MemoryHealth { measured: Some(Memory { free, total, percent }) }
}

#[cfg(not(feature = "cpu"))]
fn cpu() -> CpuHealth {
    CpuHealth { cores: cores(), load: None }
}

#[cfg(not(feature = "cpu"))]
fn memory() -> MemoryHealth {
    MemoryHealth::default()
}
