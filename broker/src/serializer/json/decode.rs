//! Reads packets from frames.

use bytes::Bytes;
use ligand_transporters::{NodeId, PacketKind};
use smallvec::SmallVec;

use super::fields::{Key, Slot, keys};
use super::reader::{Judged, Reader};
use super::scan::Kind;
use super::{gossip, info};
use crate::protocol::{
    ContextFields, Event, ForeignId, GossipHello, Heartbeat, Incoming, Packet, Ping, Pong, Request, Response,
    TextSpan, Ver,
};
use crate::serializer::{Bound, PacketLimits, Problem, timeout};

const REQUEST: [Key; 15] = keys![
    "id", "action", @body "params", "meta", "headers", "timeout", "level", "tracing", "parentID", "requestID",
    "caller", "stream", "seq", "ver", "sender",
];
const RESPONSE: [Key; 10] =
    keys!["id", "meta", "headers", "success", @body "data", @body "error", "stream", "seq", "ver", "sender"];
const EVENT: [Key; 14] = keys![
    "id", "event", @body "data", "groups", "broadcast", "meta", "headers", "level", "tracing", "parentID",
    "requestID", "caller", "ver", "sender",
];
const BARE: [Key; 2] = keys!["ver", "sender"];
const HEARTBEAT: [Key; 5] = keys!["cpu", "seq", "instanceID", "ver", "sender"];
const PING: [Key; 4] = keys!["time", "id", "ver", "sender"];
const PONG: [Key; 5] = keys!["time", "id", "arrived", "ver", "sender"];
const HELLO: [Key; 4] = keys!["host", "port", "ver", "sender"];
const GOSSIP: [Key; 4] = keys!["online", "offline", "ver", "sender"];

/// Reads a packet of a known kind.
pub(super) fn packet(kind: PacketKind, frame: &Bytes, limits: &PacketLimits) -> Judged<Incoming> {
    let reader = &Reader::new(frame, limits)?;
    match kind {
        PacketKind::Request => request(reader),
        PacketKind::Response => response(reader),
        PacketKind::Event => event(reader),
        PacketKind::Discover => bare(reader, Packet::Discover),
        PacketKind::Info => {
            let (whole, slots) = open(reader, &info::INFO)?;
            let [.., ver, sender] = slots;
            incoming(reader, ver, sender, Packet::Info(Box::new(info::packet(reader, whole, &slots)?)))
        }
        PacketKind::Disconnect => bare(reader, Packet::Disconnect),
        PacketKind::Heartbeat => heartbeat(reader),
        PacketKind::Ping => ping(reader),
        PacketKind::Pong => pong(reader),
        PacketKind::GossipHello => hello(reader),
        PacketKind::GossipRequest => {
            let (_, [online, offline, ver, sender]) = open(reader, &GOSSIP)?;
            let digest = gossip::digest(reader, online, offline)?;
            incoming(reader, ver, sender, Packet::GossipRequest(Box::new(digest)))
        }
        PacketKind::GossipResponse => {
            let (_, [online, offline, ver, sender]) = open(reader, &GOSSIP)?;
            let response = gossip::response(reader, online, offline)?;
            incoming(reader, ver, sender, Packet::GossipResponse(Box::new(response)))
        }
        _ => Err(Problem::UnknownKind),
    }
}

/// Finds the members of a frame, which has to be an object.
#[inline]
fn open<const N: usize>(reader: &Reader<'_>, keys: &[Key; N]) -> Judged<(Slot, [Slot; N])> {
    let mut scanner = reader.scanner(Slot::default());
    scanner.blank();
    if scanner.peek().is_none() {
        return Err(Problem::Empty);
    }
    let (whole, slots) = reader.members(&mut scanner, keys)?;
    scanner.blank();
    if scanner.peek().is_some() {
        return Err(Problem::Syntax { at: scanner.at(), what: "something follows the packet" });
    }
    if whole.kind != Kind::Object {
        return Err(Problem::NotAnObject);
    }
    Ok((whole, slots))
}

#[inline]
fn incoming(reader: &Reader<'_>, ver: Slot, sender: Slot, packet: Packet) -> Judged<Incoming> {
    let id = reader.needed_text(sender, "sender", Bound::NodeId)?;
    let sender = NodeId::foreign(id.get(reader.frame).unwrap_or_default())?;
    Ok(Incoming { ver: version(reader, ver)?, sender, packet })
}

fn version(reader: &Reader<'_>, slot: Slot) -> Judged<Ver> {
    let limits = reader.limits;
    let text = match slot.kind {
        Kind::Absent => TextSpan::Absent,
        Kind::Plain | Kind::Escaped => reader.text(slot, "ver", Bound::Name)?,
        _ if reader.written(slot).len() > limits.name => {
            return Err(limits.exceeded("ver", Bound::Name, Some(reader.written(slot).len())));
        }
        // The number 5 is not version 5.
        _ => return Ok(Ver::Other(reader.written(slot).into())),
    };
    Ok(Ver::from(text.get(reader.frame).unwrap_or_default()))
}

fn bare(reader: &Reader<'_>, packet: Packet) -> Judged<Incoming> {
    let (_, [ver, sender]) = open(reader, &BARE)?;
    incoming(reader, ver, sender, packet)
}

fn request(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, slots) = open(reader, &REQUEST)?;
    let [
        id,
        action,
        params,
        meta,
        headers,
        timeout,
        level,
        tracing,
        parent,
        request,
        caller,
        stream,
        seq,
        ver,
        sender,
    ] = slots;
    let request = Request {
        context: ContextFields {
            frame: reader.frame.clone(),
            id: reader.needed_id(id, "id")?,
            meta: reader.meta(meta, "meta")?.into(),
            headers: reader.meta(headers, "headers")?.into(),
            level: reader.small_integer(level, "level")?,
            tracing: tracing.flag("tracing")?,
            parent_id: reader.id(parent, "parentID")?,
            request_id: reader.id(request, "requestID")?,
            caller: reader.text(caller, "caller", Bound::Name)?,
        },
        action: reader.needed_text(action, "action", Bound::Name)?,
        params: params.span,
        timeout: milliseconds(reader, timeout)?,
        stream: reader.stream(stream)?,
        seq: reader.small_integer(seq, "seq")?,
    };
    incoming(reader, ver, sender, Packet::Request(Box::new(request)))
}

fn milliseconds(reader: &Reader<'_>, slot: Slot) -> Judged<Option<f64>> {
    if slot.kind == Kind::Plain {
        return timeout::numeric_text(reader.written(slot).trim_matches('"')).map(Some);
    }
    reader.number(slot, "timeout")?.map(timeout::milliseconds).transpose()
}

fn response(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, [id, meta, headers, success, data, error, stream, seq, ver, sender]) = open(reader, &RESPONSE)?;
    let response = Response {
        frame: reader.frame.clone(),
        id: reader.needed_id(id, "id")?,
        success: success.flag("success")?.unwrap_or(false),
        data: data.span,
        error: error.span.into(),
        meta: reader.meta(meta, "meta")?.into(),
        headers: reader.meta(headers, "headers")?.into(),
        stream: stream.flag("stream")?,
        seq: reader.small_integer(seq, "seq")?,
    };
    incoming(reader, ver, sender, Packet::Response(Box::new(response)))
}

fn event(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, slots) = open(reader, &EVENT)?;
    let [
        id,
        event,
        data,
        groups,
        broadcast,
        meta,
        headers,
        level,
        tracing,
        parent,
        request,
        caller,
        ver,
        sender,
    ] = slots;
    let event = Event {
        context: ContextFields {
            frame: reader.frame.clone(),
            id: reader.id(id, "id")?,
            meta: reader.meta(meta, "meta")?.into(),
            headers: reader.meta(headers, "headers")?.into(),
            level: reader.small_integer(level, "level")?,
            tracing: tracing.flag("tracing")?,
            parent_id: reader.id(parent, "parentID")?,
            request_id: reader.id(request, "requestID")?,
            caller: reader.text(caller, "caller", Bound::Name)?,
        },
        event: reader.needed_text(event, "event", Bound::Name)?,
        data: data.span,
        groups: event_groups(reader, groups)?,
        broadcast: broadcast.flag("broadcast")?.unwrap_or(false),
    };
    incoming(reader, ver, sender, Packet::Event(Box::new(event)))
}

fn event_groups(reader: &Reader<'_>, slot: Slot) -> Judged<Option<SmallVec<[TextSpan; 2]>>> {
    match slot.kind {
        Kind::Absent | Kind::Null => return Ok(None),
        Kind::Array => {}
        _ => return Err(Problem::Wrong { field: "groups", expected: "an array of texts" }),
    }
    let mut groups = SmallVec::new();
    reader.each_element(&mut reader.scanner(slot), |scanner| {
        if groups.len() >= reader.limits.groups {
            return Err(reader.limits.exceeded("groups", Bound::Groups, None));
        }
        groups.push(reader.needed_text(reader.skip(scanner)?, "groups", Bound::Name)?);
        Ok(())
    })?;
    Ok(Some(groups))
}

/// A heartbeat with an invalid load still shows that the node is alive. So only a wrong sender makes it
/// invalid.
fn heartbeat(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, [cpu, seq, instance, ver, sender]) = open(reader, &HEARTBEAT)?;
    let heartbeat = Heartbeat {
        cpu: reader.number(cpu, "cpu").ok().flatten(),
        seq: reader.integer(seq, "seq")?,
        instance_id: reader.name(instance, "instanceID", Bound::Id)?,
    };
    incoming(reader, ver, sender, Packet::Heartbeat(heartbeat))
}

fn ping(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, [time, id, ver, sender]) = open(reader, &PING)?;
    let ping = Ping { time: reader.number(time, "time")?, id: ping_id(reader, id)? };
    incoming(reader, ver, sender, Packet::Ping(ping))
}

fn pong(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, [time, id, arrived, ver, sender]) = open(reader, &PONG)?;
    let pong = Pong {
        time: reader.number(time, "time")?,
        id: ping_id(reader, id)?,
        arrived: reader.number(arrived, "arrived")?,
    };
    incoming(reader, ver, sender, Packet::Pong(pong))
}

fn ping_id(reader: &Reader<'_>, slot: Slot) -> Judged<Option<ForeignId>> {
    Ok(reader.id(slot, "id")?.id(reader.frame).map(ForeignId::from))
}

fn hello(reader: &Reader<'_>) -> Judged<Incoming> {
    let (_, [host, port, ver, sender]) = open(reader, &HELLO)?;
    let host = reader.name(host, "host", Bound::Name)?.ok_or(Problem::Missing { field: "host" })?;
    let port = info::port(reader, port)?.ok_or(Problem::Missing { field: "port" })?;
    incoming(reader, ver, sender, Packet::GossipHello(GossipHello { host, port }))
}
