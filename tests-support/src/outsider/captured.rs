//! Packets that were recorded from real nodes.

use ligand_transporters::PacketKind;
use std::fs;
use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../broker/tests/vectors")
}

/// Reads one file.
pub fn file(name: &str) -> Vec<u8> {
    let path = vectors().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All packets in JSON. Those that were sent over TCP come without their header.
pub fn packets() -> Vec<(PacketKind, Vec<u8>)> {
    let kinds = [
        ("request", PacketKind::Request),
        ("response", PacketKind::Response),
        ("event-", PacketKind::Event),
        ("discover", PacketKind::Discover),
        ("info", PacketKind::Info),
        ("disconnect", PacketKind::Disconnect),
        ("heartbeat", PacketKind::Heartbeat),
        ("ping", PacketKind::Ping),
        ("pong", PacketKind::Pong),
        ("gossip-req", PacketKind::GossipRequest),
        ("gossip-res", PacketKind::GossipResponse),
        ("gossip-hello", PacketKind::GossipHello),
    ];
    let mut packets = Vec::new();
    for file in fs::read_dir(vectors()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let about = name.trim_start_matches("tcp-");
        let Some((_, kind)) = kinds.iter().find(|(kind, _)| about.starts_with(kind)) else { continue };
        let bytes = fs::read(&path).unwrap();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") if name != "event-match.json" => packets.push((*kind, bytes)),
            Some("bin") => packets.push((*kind, bytes[6..].to_vec())),
            _ => {}
        }
    }
    packets.sort();
    assert!(packets.len() > 50, "only {} packets were found", packets.len());
    packets
}
