//! INFO packets (protocol chapters 2.4, 5.4 and 5.5).
//!
//! Definitions of actions and events are not decoded. Only the keys that calls need are read, while the
//! scanner passes them.

use ligand_transporters::Name;
use std::time::Duration;

use super::fields::{Key, Slot, keys};
use super::number::{finite, print_number};
use super::reader::{Judged, Reader};
use super::scan::{Kind, Scanner};
use crate::protocol::{
    ActionInfo, Client, EventInfo, InfoPacket, MAX_SEQ, Raw, ServiceInfo, ServiceVersion, Services,
    Visibility,
};
use crate::serializer::{Bound, PacketLimits, Problem};

pub(super) const INFO: [Key; 11] = keys![
    "services",
    "ipList",
    "hostname",
    "client",
    "config",
    "instanceID",
    "metadata",
    "seq",
    "port",
    "ver",
    "sender",
];
const CLIENT: [Key; 4] = keys!["type", "version", "langVersion", "features"];
const SERVICE: [Key; 7] = keys!["name", "version", "fullName", "settings", "metadata", "actions", "events"];
const SETTINGS: [Key; 1] = keys!["$noVersionPrefix"];
const ACTION: [Key; 4] = keys!["visibility", "protected", "timeout", "name"];
const EVENT: [Key; 2] = keys!["group", "name"];

/// How many addresses and features of a node are kept.
const SHORT_LIST: usize = 64;

/// The definition that is kept is larger than the shortest definition in a packet. So their number is limited
/// by the length of an INFO: after the first ones, one for each of this number of bytes. A service counts as
/// two. A definition of Node has 50 bytes or more.
const DEFINITION: usize = 32;
const FREE_DEFINITIONS: usize = 400;

/// Checks the members of an INFO object.
pub(super) fn packet(reader: &Reader<'_>, whole: Slot, slots: &[Slot; 11]) -> Judged<InfoPacket> {
    let [services, ip_list, hostname, client, config, instance, metadata, seq, port, _, _] = *slots;
    let services_raw = match services.kind {
        Kind::Absent => Raw::from_static("[]"),
        Kind::Array => reader.raw(services).unwrap_or_else(|| Raw::from_static("[]")),
        _ => return Err(Problem::Wrong { field: "services", expected: "an array" }),
    };
    Ok(InfoPacket {
        raw: reader.raw(whole).unwrap_or_else(Raw::empty_object),
        services_raw,
        ip_list: names(reader, ip_list, "ipList")?,
        hostname: reader.name(hostname, "hostname", Bound::Name)?,
        client: client_of(reader, client)?,
        config: object(reader, config, "config")?,
        instance_id: reader.name(instance, "instanceID", Bound::Id)?.unwrap_or(Name::from_static("")),
        metadata: object(reader, metadata, "metadata")?,
        seq: seq_of(reader, seq)?,
        port: self::port(reader, port)?,
    })
}

/// The number of an INFO, as Node compares it with `>` (`registry/node.js`, `update`): strings of digits and
/// lists with one number count as numbers, and a missing value or 0 counts as 1. A fraction is rounded up,
/// and a number beyond 2^53 counts as that, so that others can exceed it. A value that Node would never find
/// larger than another one is refused.
fn seq_of(reader: &Reader<'_>, slot: Slot) -> Judged<u64> {
    const WRONG: Problem = Problem::Wrong { field: "seq", expected: "an integer from 0 to 2^53" };
    let number = match slot.kind {
        Kind::Absent | Kind::Null | Kind::True | Kind::False => return Ok(1),
        // The comparison of a list depends on everything in it. The largest number is the safe choice.
        Kind::Array => return Ok(MAX_SEQ),
        Kind::Number => compared(reader.written(slot)),
        Kind::Plain => as_number(reader.written(slot).trim_matches('"').trim()),
        Kind::Escaped | Kind::Object => None,
    };
    match number {
        Some(number) if number >= 0.0 => Ok((number.min(MAX_SEQ as f64).ceil() as u64).max(1)),
        _ => Err(WRONG),
    }
}

/// A JSON literal, which may be too large for a number.
fn compared(literal: &str) -> Option<f64> {
    literal.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// The result of `Number(text)` in JavaScript.
fn as_number(text: &str) -> Option<f64> {
    let radix = |prefix: [&str; 2], radix| {
        let digits = prefix.into_iter().find_map(|prefix| text.strip_prefix(prefix))?;
        // A number with too many digits for this is larger than 2^53, too.
        digits.chars().all(|digit| digit.is_digit(radix)).then_some(())?;
        Some(u64::from_str_radix(digits, radix).map_or(f64::INFINITY, |number| number as f64))
    };
    match text {
        "" => Some(0.0),
        _ => radix(["0x", "0X"], 16)
            .or_else(|| radix(["0b", "0B"], 2))
            .or_else(|| radix(["0o", "0O"], 8))
            .or_else(|| compared(text)),
    }
}

/// Reads an INFO object within another packet.
pub(super) fn row(reader: &Reader<'_>, slot: Slot) -> Judged<InfoPacket> {
    let (whole, slots) = reader.members(&mut reader.scanner(slot), &INFO)?;
    packet(reader, whole, &slots)
}

/// A TCP port. Missing, null and 0 mean that there is none.
pub(super) fn port(reader: &Reader<'_>, slot: Slot) -> Judged<Option<u16>> {
    match reader.integer(slot, "port")?.map(u16::try_from) {
        None | Some(Ok(0)) => Ok(None),
        Some(Ok(port)) => Ok(Some(port)),
        Some(Err(_)) => Err(Problem::Wrong { field: "port", expected: "a port number" }),
    }
}

fn object(reader: &Reader<'_>, slot: Slot, field: &'static str) -> Judged<Raw> {
    Ok(slot.object(field)?.raw(reader.frame).unwrap_or_else(Raw::empty_object))
}

/// The first strings of an array. Other values are skipped.
fn names(reader: &Reader<'_>, slot: Slot, field: &'static str) -> Judged<Vec<Name>> {
    match slot.kind {
        Kind::Absent | Kind::Null | Kind::Array => {}
        _ => return Err(Problem::Wrong { field, expected: "an array of texts" }),
    }
    let mut names = Vec::new();
    if slot.kind == Kind::Array {
        reader.each_element(&mut reader.scanner(slot), |scanner| {
            let element = reader.skip(scanner)?;
            let is_text = matches!(element.kind, Kind::Plain | Kind::Escaped);
            if is_text && names.len() < SHORT_LIST {
                names.extend(reader.name(element, field, Bound::Name)?);
            }
            Ok(())
        })?;
    }
    Ok(names)
}

fn client_of(reader: &Reader<'_>, slot: Slot) -> Judged<Client> {
    if slot.object("client")?.of(reader.frame).is_empty() {
        return Ok(Client::default());
    }
    let (_, [kind, version, lang, features]) = reader.members(&mut reader.scanner(slot), &CLIENT)?;
    // A foreign client may describe itself freely. Only people read the description.
    let text = |slot, field| match reader.name(slot, field, Bound::Name) {
        Ok(name) => Ok(name.unwrap_or(Name::from_static(""))),
        Err(Problem::Wrong { .. }) => Ok(Name::from_static("")),
        Err(problem) => Err(problem),
    };
    Ok(Client {
        kind: text(kind, "client.type")?,
        version: text(version, "client.version")?,
        lang_version: text(lang, "client.langVersion")?,
        features: names(reader, features, "client.features")?,
    })
}

/// Reads the array `services` of an INFO.
pub(super) fn services(raw: &Raw, limits: &PacketLimits) -> Judged<Services> {
    let raw = raw.detached().into_bytes();
    let reader = &Reader::new(&raw, limits)?;
    let mut scanner = reader.scanner(Slot::default());
    if scanner.peek() != Some(b'[') {
        return Err(Problem::Wrong { field: "services", expected: "an array" });
    }
    let mut list = Vec::new();
    let budget = (raw.len() / DEFINITION).saturating_add(FREE_DEFINITIONS);
    let mut left = budget;
    reader.each_element(&mut scanner, |scanner| {
        if list.len() >= limits.services {
            return Err(limits.exceeded("services", Bound::Services, None));
        }
        let service = service(reader, scanner)?;
        let used = service.actions.len().saturating_add(service.events.len()).saturating_add(2);
        left = left.checked_sub(used).ok_or(Problem::Limit {
            what: "definitions for an INFO this short",
            bound: None,
            limit: budget,
            size: budget.saturating_add(1),
        })?;
        list.push(service);
        Ok(())
    })?;
    scanner.blank();
    if scanner.peek().is_some() {
        return Err(Problem::Syntax { at: scanner.at(), what: "something follows the services" });
    }
    Ok(Services { raw: raw.clone(), list })
}

fn service(reader: &Reader<'_>, scanner: &mut Scanner<'_>) -> Judged<ServiceInfo> {
    let (whole, [name, version, full_name, settings, metadata, actions, events]) =
        reader.members(scanner, &SERVICE)?;
    if whole.kind != Kind::Object {
        return Err(Problem::Wrong { field: "services", expected: "an array of objects" });
    }
    let name =
        reader.name(name, "service.name", Bound::Name)?.ok_or(Problem::Missing { field: "service.name" })?;
    let version = version_of(reader, version)?;
    let full_name = match (reader.name(full_name, "service.fullName", Bound::Name)?, &version) {
        (Some(full_name), _) => full_name,
        (None, Some(version)) if !no_version_prefix(reader, settings)? => version.full_name(&name),
        (None, _) => name.clone(),
    };
    Ok(ServiceInfo {
        version,
        full_name,
        settings: object(reader, settings, "service.settings")?,
        metadata: object(reader, metadata, "service.metadata")?,
        actions: actions_of(reader, actions)?,
        events: events_of(reader, events)?,
        name,
    })
}

fn version_of(reader: &Reader<'_>, slot: Slot) -> Judged<Option<ServiceVersion>> {
    if slot.kind == Kind::Number {
        let number = finite(reader.written(slot)).map(print_number);
        return Ok(number.map(|number| ServiceVersion::Number(number.into())));
    }
    Ok(reader.name(slot, "service.version", Bound::Name)?.map(ServiceVersion::Text))
}

fn no_version_prefix(reader: &Reader<'_>, settings: Slot) -> Judged<bool> {
    if settings.kind != Kind::Object {
        return Ok(false);
    }
    let (_, [flag]) = reader.members(&mut reader.scanner(settings), &SETTINGS)?;
    Ok(flag.kind == Kind::True)
}

/// Actions are the members of an object. Any other value means no actions: the published text of the protocol
/// says `[]` (protocol chapter 13.2, Q34).
fn actions_of(reader: &Reader<'_>, slot: Slot) -> Judged<Vec<ActionInfo>> {
    let limits = reader.limits;
    let mut actions = Vec::new();
    if slot.kind != Kind::Object {
        return Ok(actions);
    }
    reader.each_member(&mut reader.scanner(slot), |scanner, key| {
        if actions.len() >= limits.actions {
            return Err(limits.exceeded("actions of a service", Bound::Actions, None));
        }
        let (definition, [visibility, protected, timeout, name]) = reader.members(scanner, &ACTION)?;
        actions.push(ActionInfo {
            name: defined_name(reader, name, &key, "action.name")?,
            visibility: visibility_of(reader, visibility, protected),
            timeout: timeout_of(reader, timeout),
            definition: definition.span.raw(reader.frame).unwrap_or_else(Raw::null),
        });
        Ok(())
    })?;
    Ok(actions)
}

fn events_of(reader: &Reader<'_>, slot: Slot) -> Judged<Vec<EventInfo>> {
    let limits = reader.limits;
    let mut events = Vec::new();
    if slot.kind != Kind::Object {
        return Ok(events);
    }
    reader.each_member(&mut reader.scanner(slot), |scanner, key| {
        if events.len() >= limits.actions {
            return Err(limits.exceeded("events of a service", Bound::Actions, None));
        }
        let (definition, [group, name]) = reader.members(scanner, &EVENT)?;
        events.push(EventInfo {
            name: defined_name(reader, name, &key, "event.name")?,
            group: reader.name(group, "event.group", Bound::Name)?,
            definition: definition.span.raw(reader.frame).unwrap_or_else(Raw::null),
        });
        Ok(())
    })?;
    Ok(events)
}

/// The name in the definition counts, as in Node (`registry/registry.js`, `registerActions`). If there is
/// none, the key counts.
fn defined_name(reader: &Reader<'_>, slot: Slot, key: &str, field: &'static str) -> Judged<Name> {
    let limits = reader.limits;
    match reader.name(slot, field, Bound::Name)? {
        Some(name) => Ok(name),
        None if key.len() > limits.name => Err(limits.exceeded(field, Bound::Name, Some(key.len()))),
        None => Ok(key.into()),
    }
}

fn visibility_of(reader: &Reader<'_>, visibility: Slot, protected: Slot) -> Visibility {
    match (reader.written(visibility), protected.kind) {
        ("" | "null", Kind::True) => Visibility::Protected,
        ("" | "null" | "\"published\"", _) => Visibility::Published,
        ("\"public\"", _) => Visibility::Public,
        ("\"protected\"", _) => Visibility::Protected,
        _ => Visibility::Private,
    }
}

/// An invalid timeout means no timeout, because the action can still be called.
fn timeout_of(reader: &Reader<'_>, slot: Slot) -> Option<Duration> {
    let milliseconds = reader.number(slot, "action.timeout").ok().flatten()?;
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
}
