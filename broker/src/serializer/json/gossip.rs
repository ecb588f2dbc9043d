//! Gossip packets (protocol chapter 4.4).
//!
//! A gossip packet relays statements of several nodes. So an invalid row is skipped, and the other rows
//! count. Only a packet with a wrong structure, or with too many rows, is refused.

use ligand_transporters::NodeId;

use super::fields::Slot;
use super::info;
use super::number::{finite, whole};
use super::reader::{Judged, Reader};
use super::scan::Kind;
use crate::protocol::{Cpu, Digest, GossipResponse, Offline, Online, OnlineRow};
use crate::serializer::Bound;

/// Reads a GOSSIP_REQ.
pub(super) fn digest(reader: &Reader<'_>, online: Slot, offline: Slot) -> Judged<Digest> {
    let mut digest = Digest { online: Vec::new(), offline: offlines(reader, offline)? };
    rows(reader, online, "online", |node, row| {
        let Some([seq, cpu_seq, load]) = elements(reader, row) else { return };
        if let (Some(seq), Some(cpu)) = (seq_of(reader, seq), cpu_of(reader, cpu_seq, load)) {
            digest.online.push(Online { node, seq, cpu });
        }
    })?;
    Ok(digest)
}

/// The INFO that is kept is larger than the shortest INFO in a packet. So their number is limited by the
/// length of the packet: after the first ones, one for each of this number of bytes. An INFO of Node has 200
/// bytes or more.
const INFO: usize = 128;
const FREE_INFOS: usize = 64;

/// Reads a GOSSIP_RES.
pub(super) fn response(reader: &Reader<'_>, online: Slot, offline: Slot) -> Judged<GossipResponse> {
    let mut infos = (reader.frame.len() / INFO).saturating_add(FREE_INFOS);
    let mut response = GossipResponse { online: Vec::new(), offline: offlines(reader, offline)? };
    rows(reader, online, "online", |node, row| {
        let Some([first, second, third]) = elements(reader, row) else { return };
        let row = if first.kind == Kind::Object {
            let Some(left) = infos.checked_sub(1) else { return };
            infos = left;
            let cpu = (second.kind != Kind::Absent).then(|| cpu_of(reader, second, third)).flatten();
            info::row(reader, first).ok().map(|info| OnlineRow::Info(Box::new(info), cpu))
        } else {
            let measured = first.kind == Kind::Number;
            measured.then(|| cpu_of(reader, first, second)).flatten().map(OnlineRow::Cpu)
        };
        response.online.extend(row.map(|row| (node, row)));
    })?;
    Ok(response)
}

fn offlines(reader: &Reader<'_>, slot: Slot) -> Judged<Vec<Offline>> {
    let mut offline = Vec::new();
    rows(reader, slot, "offline", |node, row| {
        offline.extend(seq_of(reader, row).map(|seq| Offline { node, seq }));
    })?;
    Ok(offline)
}

/// Calls `row` for each member whose key is a node id.
fn rows(
    reader: &Reader<'_>,
    slot: Slot,
    field: &'static str,
    mut row: impl FnMut(NodeId, Slot),
) -> Judged<()> {
    if slot.object(field)?.of(reader.frame).is_empty() {
        return Ok(());
    }
    let limit = reader.limits.nodes;
    let mut count = 0_usize;
    reader.each_member(&mut reader.scanner(slot), |scanner, key| {
        count = count.saturating_add(1);
        if count > limit {
            return Err(reader.limits.exceeded("nodes in a gossip packet", Bound::Nodes, None));
        }
        let value = reader.skip(scanner)?;
        // A key that is too long to be an id need not be copied.
        if key.len() <= NodeId::MAX_LEN
            && let Ok(node) = NodeId::foreign(key.as_ref())
        {
            row(node, value);
        }
        Ok(())
    })
}

/// The first elements of an array. `None` for an empty array and for any other value.
fn elements(reader: &Reader<'_>, slot: Slot) -> Option<[Slot; 3]> {
    if slot.kind != Kind::Array {
        return None;
    }
    let mut elements = [Slot::default(); 3];
    let mut free = elements.iter_mut();
    let walked = reader.each_element(&mut reader.scanner(slot), |scanner| {
        let element = reader.skip(scanner)?;
        if let Some(slot) = free.next() {
            *slot = element;
        }
        Ok(())
    });
    let found = elements.first().is_some_and(|first| first.kind != Kind::Absent);
    (walked.is_ok() && found).then_some(elements)
}

fn seq_of(reader: &Reader<'_>, slot: Slot) -> Option<u64> {
    if slot.kind == Kind::Number { whole(reader.written(slot)) } else { None }
}

/// A load that is missing or null has not been measured.
fn cpu_of(reader: &Reader<'_>, seq: Slot, load: Slot) -> Option<Cpu> {
    let seq = match seq.kind {
        Kind::Absent | Kind::Null => 0,
        _ => seq_of(reader, seq)?,
    };
    let load = match load.kind {
        Kind::Absent | Kind::Null => 0.0,
        Kind::Number => finite(reader.written(load))?,
        _ => return None,
    };
    Some(Cpu { seq, load })
}
