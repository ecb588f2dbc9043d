//! The members of a packet, found in one pass and judged afterwards, as [`super::super::json`] does it.

use ligand_transporters::NodeId;

use crate::codec::Codec;
use crate::codec::token::{Fault, Format, Read, Token, skip, skip_rest};
use crate::protocol::{Span, Ver};
use crate::serializer::{DecodeError, Limits, Problem};

/// A key that is looked for, and whether its value is a body: limited by the frame alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub(super) &'static str, pub(super) bool);

/// Where a value lies, and what it begins with; nothing when the key is missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot<'a> {
    pub(super) span: Span,
    pub(super) head: Option<Token<'a>>,
}

/// What keeps a frame from being a packet.
pub(super) enum Stop {
    /// It is not well-formed.
    Fault(Fault),
    /// A limit that was exceeded, by its name.
    Limit(&'static str, usize),
    /// It is no map.
    NotAnObject,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    pub(super) fn problem(self, codec: Codec, at: usize, limits: &Limits) -> Problem {
        match self {
            Self::Fault(Fault::DEPTH) => Problem::Limit { what: "depth", limit: limits.max_depth() },
            Self::Fault(Fault(what)) => Problem::Malformed { codec: codec.as_str(), at, what },
            Self::Limit(what, limit) => Problem::Limit { what, limit },
            Self::NotAnObject => Problem::NotAnObject,
        }
    }
}

/// Finds the values of `keys` in the one map that the bytes have to be. Any order is understood; other
/// members are checked and skipped; of several with one key the last wins. What was found before a fault
/// stays.
pub(super) fn members<'a, R: Read<'a>, const N: usize>(
    reader: &mut R,
    keys: &[Key; N],
    limits: &Limits,
    slots: &mut [Slot<'a>; N],
) -> Result<(), Stop> {
    let Token::Map(length) = reader.token()? else { return Err(Stop::NotAnObject) };
    let depth = limits.max_depth().checked_sub(1).ok_or(Fault::DEPTH)?;
    let (mut next, mut read) = (0_usize, 0_usize);
    while length.is_none_or(|length| read < length) {
        let key = reader.token()?;
        if key == Token::End && length.is_none() {
            break;
        }
        read = read.saturating_add(1);
        if read > limits.entries {
            return Err(Stop::Limit("members of an object or array", limits.entries));
        }
        let index = match &key {
            Token::Text(name) if keys.get(next).is_some_and(|key| key.0 == name) => Some(next),
            Token::Text(name) => keys.iter().position(|key| key.0 == name),
            _ => {
                skip_rest(reader, &key, depth)?;
                None
            }
        };
        let start = reader.at();
        let head = match index.and_then(|index| keys.get(index)) {
            Some(Key(_, true)) => skip(reader, depth)?,
            _ => bounded(reader, limits, depth)?,
        };
        if let Some(index) = index {
            next = index.saturating_add(1);
            if let Some(slot) = slots.get_mut(index) {
                // Longer frames are refused before they are read.
                let span = Span { start: start as u32, end: reader.at() as u32 };
                *slot = Slot { span, head: Some(head) };
            }
        }
    }
    if reader.left() > 0 {
        return Err(Stop::Fault(Fault("something follows the packet")));
    }
    Ok(())
}

/// Goes behind a value outside of bodies, whose strings and containers are limited.
fn bounded<'a, R: Read<'a>>(reader: &mut R, limits: &Limits, depth: usize) -> Result<Token<'a>, Stop> {
    let head = reader.token()?;
    bounded_rest(reader, &head, limits, depth)?;
    Ok(head)
}

fn bounded_rest<'a, R: Read<'a>>(
    reader: &mut R,
    head: &Token<'a>,
    limits: &Limits,
    depth: usize,
) -> Result<(), Stop> {
    let (length, map) = match head {
        Token::Text(text) if text.len() > limits.string => {
            return Err(Stop::Limit("bytes of a string", limits.string));
        }
        Token::Bytes(bytes) if bytes.len() > limits.string => {
            return Err(Stop::Limit("bytes of a string", limits.string));
        }
        Token::Array(length) => (*length, false),
        Token::Map(length) => (*length, true),
        Token::End => return Err(Stop::Fault(Fault("an end without a beginning"))),
        _ => return Ok(()),
    };
    let depth = depth.checked_sub(1).ok_or(Fault::DEPTH)?;
    let mut read = 0_usize;
    while length.is_none_or(|length| read < length) {
        let first = reader.token()?;
        if first == Token::End && length.is_none() {
            break;
        }
        read = read.saturating_add(1);
        if read > limits.entries {
            return Err(Stop::Limit("members of an object or array", limits.entries));
        }
        bounded_rest(reader, &first, limits, depth)?;
        if map {
            bounded(reader, limits, depth)?;
        }
    }
    Ok(())
}

/// Why a frame could not be translated to JSON of at most `limit` bytes.
pub(super) fn fault<F: Format>(
    codec: Codec,
    format: F,
    frame: &[u8],
    limits: &Limits,
    limit: usize,
) -> Problem {
    let mut reader = format.reader(frame);
    let stop = match bounded(&mut reader, limits, limits.max_depth()) {
        Err(stop) => stop,
        Ok(_) if reader.left() > 0 => Stop::Fault(Fault("something follows the packet")),
        Ok(_) => Stop::Limit("length of a packet as JSON", limit),
    };
    stop.problem(codec, reader.at(), limits)
}

/// Adds to a problem what can be read of the frame: whom to answer.
pub(super) fn salvage<F: Format>(format: F, problem: Problem, frame: &[u8]) -> DecodeError {
    const KEYS: [Key; 3] = [Key("id", true), Key("sender", true), Key("ver", true)];
    // Whatever is too large or too deep is somebody's packet all the same.
    let limits = Limits { string: usize::MAX, entries: usize::MAX, ..Limits::default() };
    let mut slots = [const { Slot { span: Span { start: 0, end: 0 }, head: None } }; 3];
    let _ = members(&mut format.reader(frame), &KEYS, &limits, &mut slots);
    let [id, sender, ver] = slots.map(|slot| match slot.head {
        Some(Token::Text(text)) => Some(text),
        _ => None,
    });
    let mut found = DecodeError::from(problem);
    found.id = id.map(|id| id.as_ref().into());
    found.sender =
        sender.filter(|sender| sender.len() <= NodeId::MAX_LEN).and_then(|id| NodeId::foreign(&*id).ok());
    found.ver = ver.filter(|ver| ver.len() <= NodeId::MAX_LEN).map(|ver| Ver::from(&*ver));
    found
}
