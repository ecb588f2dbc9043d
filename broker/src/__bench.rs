//! Access for benchmarks to parts that are not public. It is not part of the public API.
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "only benches come here, with input of their own"
)]

use bytes::{Bytes, BytesMut};
use ligand_transporters::{FrameBuf, NodeId, PacketKind};
use std::sync::Arc;
use std::time::Instant;

use crate::codec::Codec;
use crate::protocol::{Client, Id, OutRequest, Outgoing, Packet, PacketId, ProtocolVersion, Raw};
use crate::registry::{Identity, InfoKind, Picked, Registry, RegistryOptions};
use crate::serializer::{Json, PacketLimits, Serializer, serializer};
use crate::strategy::StrategyKind;

/// Whether `ligand::testing`, and with it tokio's `test-util`, was compiled in.
pub const TESTING: bool = cfg!(feature = "testing");

/// Reads and writes one REQUEST.
#[derive(Debug)]
pub struct RequestCodec {
    serializer: Arc<dyn Serializer>,
    frame: Bytes,
    limits: PacketLimits,
    node: NodeId,
    out: BytesMut,
    spliced: Vec<(usize, Bytes)>,
    id: PacketId,
    params: Bytes,
}

impl RequestCodec {
    /// Takes a recorded REQUEST.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        let limits = PacketLimits::default();
        let incoming = Json.decode(PacketKind::Request, frame.clone(), &limits).expect("a captured packet");
        let Packet::Request(request) = incoming.packet else { panic!("not a REQUEST") };
        let params = request.params().expect("it has parameters").into_bytes();
        let (out, spliced) = (BytesMut::with_capacity(1024), Vec::new());
        let (serializer, id) = (serializer(Codec::Json), PacketId::random());
        Self { serializer, frame, limits, node: incoming.sender, out, spliced, id, params }
    }

    /// The same in another codec.
    #[must_use]
    pub fn speaking(mut self, codec: Codec) -> Self {
        let params: serde_json::Value = Codec::Json.decode(&self.params).expect("captured parameters");
        self.params = codec.encode(&params).expect("plain parameters");
        self.serializer = serializer(codec);
        self.encode();
        self.frame = Bytes::copy_from_slice(&self.out);
        self
    }

    /// Decodes the packet. Returns the length of its parameters.
    #[must_use]
    pub fn decode(&self) -> usize {
        match self
            .serializer
            .decode(PacketKind::Request, self.frame.clone(), &self.limits)
            .map(|incoming| incoming.packet)
        {
            Ok(Packet::Request(request)) => request.params().map_or(0, |params| params.bytes().len()),
            _ => 0,
        }
    }

    /// Encodes a similar packet into an existing buffer, as the send path does. Returns its length.
    pub fn encode(&mut self) -> usize {
        self.out.clear();
        self.spliced.clear();
        let packet = Outgoing::Request(OutRequest {
            id: Id::Ours(self.id),
            action: "v2.math.add",
            meta: br#"{"user":"u1"}"#,
            headers: Some(br#"{"x-h":"1"}"#),
            timeout: Some(5000.0),
            level: 1,
            tracing: None,
            parent_id: None,
            request_id: Some(Id::Ours(self.id)),
            caller: None,
            stream: Some(false),
            seq: None,
        });
        let params = &self.params;
        let mut frame = FrameBuf::new(&mut self.out, &mut self.spliced);
        let written = self.serializer.encode(
            ProtocolVersion::V5,
            &self.node,
            &packet,
            &mut |frame| {
                frame.splice(params);
                Ok(())
            },
            &mut frame,
        );
        written.expect("the body never gives up");
        self.out.len()
    }
}

/// Decodes an INFO with all its services. Returns their number.
#[must_use]
pub fn decode_info(frame: &Bytes) -> usize {
    let limits = PacketLimits::default();
    match Json.decode(PacketKind::Info, frame.clone(), &limits).map(|incoming| incoming.packet) {
        Ok(Packet::Info(info)) => {
            Json.services(&info.services_raw, &limits).map_or(0, |services| services.list.len())
        }
        _ => 0,
    }
}

/// A registry that is fed with INFO packets.
#[derive(Debug)]
pub struct Nodes {
    registry: Registry,
    limits: PacketLimits,
    now: Instant,
}

impl Default for Nodes {
    fn default() -> Self {
        Self::new()
    }
}

impl Nodes {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        let now = Instant::now();
        let identity = Identity {
            id: NodeId::new("me").expect("a valid literal"),
            instance_id: "own".into(),
            hostname: "host".into(),
            ip_list: Vec::new(),
            client: Client::default(),
            config: Raw::empty_object(),
            metadata: Raw::empty_object(),
        };
        let options = RegistryOptions {
            strategy: StrategyKind::RoundRobin,
            max_nodes: 10_000,
            by_bus: false,
            base: now,
        };
        let composer = Arc::new(|_: &_, _: &_| {
            let run: crate::ActionFn =
                Arc::new(|_, _| Box::pin(std::future::ready(Ok(crate::Reply::empty()))));
            crate::handler::Chains { around: None, run }
        });
        Self {
            registry: Registry::new(identity, options, composer, now),
            limits: PacketLimits::default(),
            now,
        }
    }

    /// Applies an INFO from its bytes. Returns whether the node is new or online again.
    pub fn info(&self, frame: &Bytes) -> bool {
        let Ok(incoming) = Json.decode(PacketKind::Info, frame.clone(), &self.limits) else { return false };
        let Packet::Info(info) = incoming.packet else { return false };
        let change = self
            .registry
            .apply_info(&incoming.sender, *info, self.now, |raw| Json.services(raw, &self.limits));
        matches!(change.map(|change| change.kind), Ok(InfoKind::New | InfoKind::Reconnected))
    }

    /// Marks a node as lost. Returns whether it was there.
    pub fn lost(&self, node: &str) -> bool {
        self.registry.node_lost(node, self.now).is_some()
    }

    /// Forgets a node.
    pub fn forget(&self, node: &str) {
        self.registry.remove_node(node);
    }

    /// Chooses the endpoint of a call. Returns the address of the node's entry, or 0 if there is none.
    #[must_use]
    pub fn pick(&self, action: &str) -> usize {
        let snapshot = self.registry.load();
        let picked = snapshot.action(action).and_then(|entry| entry.pick(&snapshot, true, None, &[]));
        match picked {
            Some(Picked::Remote(node, _)) => Arc::as_ptr(&node) as usize,
            _ => 0,
        }
    }
}
