//! The members of a packet. They are found in one pass and checked afterwards, like in
//! [`super::super::json`].

use ligand_transporters::NodeId;

use crate::codec::Codec;
use crate::codec::token::{Fault, Format, Read, Token, skip, skip_rest};
use crate::protocol::{ForeignId, Span, Ver};
use crate::serializer::json::print_number;
use crate::serializer::{Bound, DecodeError, PacketLimits, Problem};

/// A known key, and whether its value is a body, which only the frame limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub(super) &'static str, pub(super) bool);

/// The position of a value, and its first part. Empty if the key is missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot<'a> {
    pub(super) span: Span,
    pub(super) head: Option<Token<'a>>,
}

/// Why a frame is not a packet.
pub(super) enum Stop {
    /// It is not well-formed.
    Fault(Fault),
    /// Something exceeds a limit.
    Limit(Problem),
    /// It is not a map.
    NotAnObject,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    fn entries(limits: &PacketLimits) -> Self {
        Self::Limit(limits.exceeded("members of an object or array", Bound::Entries, None))
    }

    fn string(limits: &PacketLimits, size: usize) -> Self {
        Self::Limit(limits.exceeded("bytes of a string", Bound::String, Some(size)))
    }

    pub(super) fn problem(self, codec: Codec, at: usize, limits: &PacketLimits) -> Problem {
        match self {
            Self::Fault(Fault::DEPTH) => limits.exceeded("depth", Bound::Depth, None),
            Self::Fault(Fault(what)) => Problem::Malformed { codec: codec.as_str(), at, what },
            Self::Limit(problem) => problem,
            Self::NotAnObject => Problem::NotAnObject,
        }
    }
}

/// Finds the values of `keys` in the bytes, which have to be one map. The keys may be in any order. Other
/// members are checked and skipped. If a key occurs several times, the last value counts. Values that were
/// found before an error are kept.
pub(super) fn members<'a, R: Read<'a>, const N: usize>(
    reader: &mut R,
    keys: &[Key; N],
    limits: &PacketLimits,
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
            return Err(Stop::entries(limits));
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

/// Skips a value outside of bodies. Its strings and containers are limited.
fn bounded<'a, R: Read<'a>>(reader: &mut R, limits: &PacketLimits, depth: usize) -> Result<Token<'a>, Stop> {
    let head = reader.token()?;
    bounded_rest(reader, &head, limits, depth)?;
    Ok(head)
}

fn bounded_rest<'a, R: Read<'a>>(
    reader: &mut R,
    head: &Token<'a>,
    limits: &PacketLimits,
    depth: usize,
) -> Result<(), Stop> {
    let (length, map) = match head {
        Token::Text(text) if text.len() > limits.string => {
            return Err(Stop::string(limits, text.len()));
        }
        Token::Bytes(bytes) if bytes.len() > limits.string => {
            return Err(Stop::string(limits, bytes.len()));
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
            return Err(Stop::entries(limits));
        }
        bounded_rest(reader, &first, limits, depth)?;
        if map {
            bounded(reader, limits, depth)?;
        }
    }
    Ok(())
}

/// Why a frame could not be converted to JSON of at most `limit` bytes.
pub(super) fn fault<F: Format>(
    codec: Codec,
    format: F,
    frame: &[u8],
    limits: &PacketLimits,
    limit: usize,
) -> Problem {
    let mut reader = format.reader(frame);
    let stop = match bounded(&mut reader, limits, limits.max_depth()) {
        Err(stop) => stop,
        Ok(_) if reader.left() > 0 => Stop::Fault(Fault("something follows the packet")),
        Ok(_) => Stop::Limit(Problem::Limit {
            what: "length of a packet as JSON",
            bound: None,
            limit,
            size: limit.saturating_add(1),
        }),
    };
    stop.problem(codec, reader.at(), limits)
}

/// The nesting of containers with an indefinite length up to which a frame is still searched.
const LEAPT: usize = 65_536;

/// Adds to a problem what can be read of the frame: the receiver of an answer. A frame that is too large or
/// too deep is still a packet, and its last field is the sender.
pub(super) fn salvage<F: Format>(format: F, problem: Problem, frame: &[u8]) -> DecodeError {
    let mut found = DecodeError::from(problem);
    // What was found before an error is kept.
    let _ = search(&mut format.reader(frame), &mut found);
    found
}

fn search<'a, R: Read<'a>>(reader: &mut R, found: &mut DecodeError) -> Result<(), Fault> {
    let Token::Map(length) = reader.token()? else { return Ok(()) };
    let mut read = 0_usize;
    while length.is_none_or(|length| read < length) {
        read = read.saturating_add(1);
        let key = reader.token()?;
        match &key {
            Token::End => break,
            Token::Text(_) => {}
            other => leap(reader, other)?,
        }
        let value = reader.token()?;
        if let Token::Text(key) = key {
            note(&key, &value, found);
        }
        leap(reader, &value)?;
    }
    Ok(())
}

/// Keeps a member if its key is one of those that are searched for. The last one counts.
fn note(key: &str, value: &Token<'_>, found: &mut DecodeError) {
    let text = match value {
        Token::Text(text) => Some(&**text),
        _ => None,
    };
    match key {
        "id" => {
            let number = || number(value).map(|id| ForeignId::Number(id.into()));
            found.id = text.map(|id| ForeignId::Text(id.into())).or_else(number);
        }
        "sender" => {
            let short = text.filter(|sender| sender.len() <= NodeId::MAX_LEN);
            found.sender = short.and_then(|id| NodeId::foreign(id).ok());
        }
        "ver" => {
            let short = text.filter(|ver| ver.len() <= NodeId::MAX_LEN);
            found.ver = short.and_then(|ver| Ver::from(ver).known());
        }
        _ => {}
    }
}

/// A number as JSON.
pub(super) fn number(value: &Token<'_>) -> Option<String> {
    match value {
        Token::Unsigned(number) => Some(number.to_string()),
        Token::Negative(number) => Some(number.to_string()),
        Token::Float(number) if number.is_finite() => Some(print_number(*number)),
        _ => None,
    }
}

/// Skips the rest of a value after its first part, for any depth.
fn leap<'a, R: Read<'a>>(reader: &mut R, head: &Token<'a>) -> Result<(), Fault> {
    // The number of values that are left here, and around each container with an indefinite length.
    let (mut left, mut around) = (0_usize, Vec::new());
    let enter = |token: &Token<'a>, left: &mut usize, around: &mut Vec<usize>| {
        match token {
            Token::Array(Some(length)) => *left = left.saturating_add(*length),
            Token::Map(Some(length)) => *left = left.saturating_add(length.saturating_mul(2)),
            Token::Array(None) | Token::Map(None) if around.len() >= LEAPT => return Err(Fault::DEPTH),
            Token::Array(None) | Token::Map(None) => around.push(std::mem::take(left)),
            _ => {}
        }
        Ok(())
    };
    enter(head, &mut left, &mut around)?;
    while left > 0 || !around.is_empty() {
        match reader.token()? {
            Token::End if left > 0 => return Err(Fault("an end without a beginning")),
            Token::End => left = around.pop().unwrap_or_default(),
            token => {
                left = left.saturating_sub(1);
                enter(&token, &mut left, &mut around)?;
            }
        }
    }
    Ok(())
}
