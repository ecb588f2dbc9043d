//! What this node knows about each node.

use bytes::Bytes;
use ligand_transporters::{Name, NodeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::availability::Availability;
use super::local::Identity;
use super::services::NodeServices;
use super::trie::Keyed;
use crate::protocol::{Client, InfoPacket, ProtocolVersion, Raw};

/// Index of a node in the snapshots of one registry; 0 is the local node.
///
/// When a node is removed, its index may be reused for another node. So an index is valid only in its
/// snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIx(pub(super) u16);

impl NodeIx {
    /// The local node.
    pub(crate) const LOCAL: Self = Self(0);
}

/// One node as its last INFO described it.
///
/// A new INFO makes a new `Node`. Values that change with every packet are in atomics, which all versions of
/// a node share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) id: NodeId,
    pub(super) ix: NodeIx,
    pub(super) seq: u64,
    pub(super) about: Arc<About>,
    pub(super) services: Arc<NodeServices>,
    pub(super) availability: Availability,
    pub(super) live: Arc<Live>,
}

/// The part of an INFO that describes the node itself.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) instance_id: Name,
    pub(super) hostname: Option<Name>,
    pub(super) ip_list: Box<[Name]>,
    pub(super) port: Option<u16>,
    pub(super) client: Client,
    pub(super) config: Raw,
    pub(super) metadata: Raw,
    /// The INFO without its services: the bytes before them, and the bytes after them.
    frame: (Box<[u8]>, Box<[u8]>),
}

/// Values that change without a new INFO.
#[derive(Debug)]
pub(super) struct Live {
    /// The bits of an `f32`. NaN if the load is unknown.
    cpu: AtomicU32,
    cpu_seq: AtomicU64,
    /// Milliseconds since the registry's base.
    heartbeat: AtomicU64,
    version: AtomicU8,
    /// The tick of the coarse clock at which the last packet arrived.
    alive: AtomicU64,
}

impl Node {
    /// Its id.
    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    /// Its index in the snapshot it was found in.
    pub(crate) fn ix(&self) -> NodeIx {
        self.ix
    }

    /// Whether it is this node.
    pub(crate) fn is_local(&self) -> bool {
        self.ix == NodeIx::LOCAL
    }

    /// Whether it is online, as far as this node knows.
    pub(crate) fn is_available(&self) -> bool {
        self.availability.takes_calls()
    }

    /// Changes at each start of its process. Empty if the node never sent one.
    pub(crate) fn instance_id(&self) -> &Name {
        &self.about.instance_id
    }

    /// The sequence number of the last INFO that was applied. 0 if there was none.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Its host name.
    pub(crate) fn hostname(&self) -> Option<&Name> {
        self.about.hostname.as_ref()
    }

    /// Its addresses.
    pub(crate) fn ip_list(&self) -> &[Name] {
        &self.about.ip_list
    }

    /// Its TCP port.
    pub(crate) fn port(&self) -> Option<u16> {
        self.about.port
    }

    /// Its software.
    pub(crate) fn client(&self) -> &Client {
        &self.about.client
    }

    /// The object `config` of its INFO.
    pub(crate) fn config(&self) -> &Raw {
        &self.about.config
    }

    /// The object `metadata` of its INFO.
    pub(crate) fn metadata(&self) -> &Raw {
        &self.about.metadata
    }

    /// Its services. None while it is offline.
    pub(crate) fn services(&self) -> &Arc<NodeServices> {
        &self.services
    }

    /// Records a packet of this version, which arrived at this tick of the coarse clock.
    pub(crate) fn see(&self, version: ProtocolVersion, tick: u64) {
        self.live.saw_version(version);
        self.live.see_alive(tick);
    }

    /// Tick of the last packet.
    pub(crate) fn seen_at(&self) -> u64 {
        self.live.alive.load(Ordering::Relaxed)
    }

    /// The same node, to be changed.
    pub(super) fn copy(&self) -> Self {
        Self {
            id: self.id.clone(),
            ix: self.ix,
            seq: self.seq,
            about: Arc::clone(&self.about),
            services: Arc::clone(&self.services),
            availability: self.availability,
            live: Arc::clone(&self.live),
        }
    }

    /// Whether `packet` contains only what is known already.
    pub(super) fn says(&self, packet: &InfoPacket) -> bool {
        self.about.says(packet) && self.services.raw() == packet.services_raw.bytes()
    }

    /// Its CPU load in percent, and the number of that measurement.
    pub(crate) fn cpu(&self) -> (Option<f32>, u64) {
        let cpu = f32::from_bits(self.live.cpu.load(Ordering::Relaxed));
        ((!cpu.is_nan()).then_some(cpu), self.live.cpu_seq.load(Ordering::Relaxed))
    }

    /// When it was last known to be alive, counted from the base of the registry.
    pub(crate) fn last_heartbeat(&self) -> Duration {
        Duration::from_millis(self.live.heartbeat.load(Ordering::Relaxed))
    }

    /// When it went offline.
    pub(crate) fn offline_since(&self) -> Option<Instant> {
        self.availability.offline_since()
    }

    /// The protocol version of the node: that of its last packet, or the one that its software suggests.
    /// `None` if neither is known.
    pub(crate) fn version(&self) -> Option<ProtocolVersion> {
        match self.live.version.load(Ordering::Relaxed) {
            4 => Some(ProtocolVersion::V4),
            5 => Some(ProtocolVersion::V5),
            _ => None,
        }
    }
}

impl Live {
    pub(super) fn new(heartbeat: Duration) -> Self {
        let live = Self {
            cpu: AtomicU32::new(f32::NAN.to_bits()),
            cpu_seq: AtomicU64::new(0),
            heartbeat: AtomicU64::new(0),
            version: AtomicU8::new(0),
            alive: AtomicU64::new(0),
        };
        live.beat(heartbeat);
        live
    }

    pub(super) fn beat(&self, since_base: Duration) {
        let millis = u64::try_from(since_base.as_millis()).unwrap_or(u64::MAX);
        self.heartbeat.store(millis, Ordering::Relaxed);
    }

    pub(super) fn set_cpu(&self, cpu: f32, seq: u64) {
        self.cpu.store(cpu.to_bits(), Ordering::Relaxed);
        self.cpu_seq.store(seq, Ordering::Relaxed);
    }

    pub(super) fn see_alive(&self, tick: u64) {
        if self.alive.load(Ordering::Relaxed) != tick {
            self.alive.store(tick, Ordering::Relaxed);
        }
    }

    pub(super) fn saw_version(&self, version: ProtocolVersion) {
        let number = match version {
            ProtocolVersion::V4 => 4,
            ProtocolVersion::V5 => 5,
        };
        // A store would invalidate the cache line of a value that every packet reads and none changes.
        if self.version.load(Ordering::Relaxed) != number {
            self.version.store(number, Ordering::Relaxed);
        }
    }

    /// The version that the software suggests is used until the first packet arrives.
    pub(super) fn guess_version(&self, client: &Client) {
        if self.version.load(Ordering::Relaxed) == 0
            && client.kind == "nodejs"
            && client.version.starts_with("0.14.")
        {
            self.saw_version(ProtocolVersion::V4);
        }
    }

    /// A new process uses this id. It may use another protocol version, and counts from zero.
    pub(super) fn begin(&self, since_base: Duration) {
        self.beat(since_base);
        self.cpu_seq.store(0, Ordering::Relaxed);
        self.version.store(0, Ordering::Relaxed);
    }
}

impl About {
    pub(super) fn of(packet: InfoPacket) -> Self {
        let frame = frame(packet.raw.bytes(), packet.services_raw.bytes());
        Self {
            instance_id: packet.instance_id,
            hostname: packet.hostname,
            ip_list: packet.ip_list.into(),
            port: packet.port,
            client: packet.client,
            config: packet.config.detached(),
            metadata: packet.metadata.detached(),
            frame,
        }
    }

    /// The description of this node. Its frame is stored elsewhere.
    pub(super) fn of_local(identity: &Identity, port: Option<u16>) -> Self {
        Self {
            instance_id: identity.instance_id.clone(),
            hostname: Some(identity.hostname.clone()),
            ip_list: identity.ip_list.clone().into(),
            port,
            client: identity.client.clone(),
            config: identity.config.clone(),
            metadata: identity.metadata.clone(),
            frame: Default::default(),
        }
    }

    /// The same without the INFO from which it was made.
    pub(super) fn without_frame(&self) -> Self {
        Self { frame: Default::default(), ..self.clone() }
    }

    /// Whether `packet` describes the node in the same way. The services are not compared.
    pub(super) fn says(&self, packet: &InfoPacket) -> bool {
        self.frame == frame(packet.raw.bytes(), packet.services_raw.bytes())
    }
}

/// An INFO without its services, so that nodes with equal services can share them.
fn frame(raw: &Bytes, services: &Bytes) -> (Box<[u8]>, Box<[u8]>) {
    // The services are a slice of the INFO, and the addresses tell where it begins. If they are not, the INFO
    // had none.
    let start = (services.as_ptr() as usize).checked_sub(raw.as_ptr() as usize);
    let parts = start.and_then(|start| {
        let end = start.checked_add(services.len())?;
        Some((raw.get(..start)?, raw.get(end..)?))
    });
    match parts {
        Some((before, behind)) if !before.is_empty() && !behind.is_empty() => (before.into(), behind.into()),
        _ => (raw.as_ref().into(), Box::default()),
    }
}

/// An entry of the index from ids to nodes.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    pub(super) id: NodeId,
    pub(super) ix: NodeIx,
}

impl Keyed for Indexed {
    fn key(&self) -> &str {
        self.id.as_str()
    }
}
