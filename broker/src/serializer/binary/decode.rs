//! Reads requests, responses and events from frames. Each value is checked like in the JSON serializer.

use bytes::Bytes;
use ligand_transporters::{NodeId, PacketKind};
use smallvec::SmallVec;

use super::fields::{Key, Slot, members, number};
use crate::codec::token::{Format, Read as _, Token};
use crate::codec::{Codec, Failure, to_json};
use crate::protocol::{
    ContextFields, Event, Incoming, Packet, Part, Raw, Request, Response, Span, TextSpan, Ver,
};
use crate::serializer::{Bound, PacketLimits, Problem, timeout};

type Judged<T> = Result<T, Problem>;

/// A list of keys in the order in which Node writes them.
macro_rules! keys {
    ($($name:literal $($body:ident)?),* $(,)?) => { [$(Key($name, keys!(@is $($body)?))),*] };
    (@is body) => { true };
    (@is) => { false };
}

const REQUEST: [Key; 15] = keys![
    "id", "action", "params" body, "meta", "headers", "timeout", "level", "tracing", "parentID", "requestID",
    "caller", "stream", "seq", "ver", "sender",
];
const RESPONSE: [Key; 10] =
    keys!["id", "meta", "headers", "success", "data" body, "error" body, "stream", "seq", "ver", "sender"];
const EVENT: [Key; 14] = keys![
    "id", "event", "data" body, "groups", "broadcast", "meta", "headers", "level", "tracing", "parentID",
    "requestID", "caller", "ver", "sender",
];

/// Reads a request, a response or an event.
pub(super) fn packet<F: Format>(
    codec: Codec,
    format: F,
    kind: PacketKind,
    frame: &Bytes,
    limits: &PacketLimits,
) -> Judged<Incoming> {
    if frame.is_empty() {
        return Err(Problem::Empty);
    }
    if u32::try_from(frame.len()).is_err() {
        let limit = u32::MAX as usize;
        return Err(Problem::Limit { what: "length of a frame", bound: None, limit, size: frame.len() });
    }
    let judge = Judge { codec, format, frame, limits };
    match kind {
        PacketKind::Request => judge.request(),
        PacketKind::Response => judge.response(),
        PacketKind::Event => judge.event(),
        _ => Err(Problem::UnknownKind),
    }
}

/// Checks the fields of one frame.
struct Judge<'a, F> {
    codec: Codec,
    format: F,
    frame: &'a Bytes,
    limits: &'a PacketLimits,
}

impl<'a, F: Format> Judge<'a, F> {
    fn open<const N: usize>(&self, keys: &[Key; N]) -> Judged<[Slot<'a>; N]> {
        let mut slots = [const { Slot { span: Span { start: 0, end: 0 }, head: None } }; N];
        let mut reader = self.format.reader(self.frame);
        match members(&mut reader, keys, self.limits, &mut slots) {
            Ok(()) => Ok(slots),
            Err(stop) => Err(stop.problem(self.codec, reader.at(), self.limits)),
        }
    }

    fn request(&self) -> Judged<Incoming> {
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
        ] = self.open(&REQUEST)?;
        let request = Request {
            context: ContextFields {
                frame: self.frame.clone(),
                id: self.needed_id(&id, "id")?,
                ..self.context(&meta, &headers, &level, &tracing, &parent, &request, &caller)?
            },
            action: self.needed_text(&action, "action", Bound::Name)?,
            params: body(&params),
            timeout: milliseconds(&timeout)?,
            stream: stream_flag(&stream)?,
            seq: integer(&seq, "seq")?,
        };
        self.incoming(&ver, &sender, Packet::Request(Box::new(request)))
    }

    fn response(&self) -> Judged<Incoming> {
        let [id, meta, headers, success, data, error, stream, seq, ver, sender] = self.open(&RESPONSE)?;
        let response = Response {
            frame: self.frame.clone(),
            id: self.needed_id(&id, "id")?,
            success: flag(&success, "success")?.unwrap_or(false),
            data: body(&data),
            error: self.error(&error)?,
            meta: self.object(&meta, "meta")?,
            headers: self.object(&headers, "headers")?,
            stream: flag(&stream, "stream")?,
            seq: integer(&seq, "seq")?,
        };
        self.incoming(&ver, &sender, Packet::Response(Box::new(response)))
    }

    fn event(&self) -> Judged<Incoming> {
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
        ] = self.open(&EVENT)?;
        let event = Event {
            context: ContextFields {
                frame: self.frame.clone(),
                id: self.id(&id, "id")?,
                ..self.context(&meta, &headers, &level, &tracing, &parent, &request, &caller)?
            },
            event: self.needed_text(&event, "event", Bound::Name)?,
            data: body(&data),
            groups: self.groups(&groups)?,
            broadcast: flag(&broadcast, "broadcast")?.unwrap_or(false),
        };
        self.incoming(&ver, &sender, Packet::Event(Box::new(event)))
    }

    #[expect(clippy::too_many_arguments, reason = "one per field that requests and events share")]
    fn context(
        &self,
        meta: &Slot<'a>,
        headers: &Slot<'a>,
        level: &Slot<'a>,
        tracing: &Slot<'a>,
        parent: &Slot<'a>,
        request: &Slot<'a>,
        caller: &Slot<'a>,
    ) -> Judged<ContextFields> {
        Ok(ContextFields {
            meta: self.object(meta, "meta")?,
            headers: self.object(headers, "headers")?,
            level: integer(level, "level")?,
            tracing: flag(tracing, "tracing")?,
            parent_id: self.id(parent, "parentID")?,
            request_id: self.id(request, "requestID")?,
            caller: self.text(caller, "caller", Bound::Name)?,
            ..ContextFields::default()
        })
    }

    fn incoming(&self, ver: &Slot<'a>, sender: &Slot<'a>, packet: Packet) -> Judged<Incoming> {
        let id = self.needed_text(sender, "sender", Bound::NodeId)?;
        let sender = NodeId::foreign(id.get(self.frame).unwrap_or_default())?;
        let ver = match &ver.head {
            Some(Token::Text(ver)) if ver.len() > self.limits.name => {
                return Err(self.limits.exceeded("ver", Bound::Name, Some(ver.len())));
            }
            Some(Token::Text(ver)) => Ver::from(&**ver),
            None | Some(Token::Null | Token::Undefined) => Ver::from(""),
            // The number 5 is not version 5.
            Some(Token::Unsigned(number)) => Ver::Other(number.to_string().into()),
            Some(_) => Ver::Other("not a text".into()),
        };
        Ok(Incoming { ver, sender, packet })
    }

    /// An id: a string, or a number.
    fn id(&self, slot: &Slot<'a>, field: &'static str) -> Judged<TextSpan> {
        match slot.head.as_ref().and_then(number) {
            Some(number) => Ok(TextSpan::Number(number.into())),
            None => self.text(slot, field, Bound::Id),
        }
    }

    /// An id that is required.
    fn needed_id(&self, slot: &Slot<'a>, field: &'static str) -> Judged<TextSpan> {
        match self.id(slot, field)? {
            TextSpan::Absent => Err(Problem::Missing { field }),
            id => Ok(id),
        }
    }

    /// A string with at most this number of bytes. Missing and null are [`TextSpan::Absent`].
    fn text(&self, slot: &Slot<'a>, field: &'static str, bound: Bound) -> Judged<TextSpan> {
        match &slot.head {
            None | Some(Token::Null | Token::Undefined) => Ok(TextSpan::Absent),
            Some(Token::Text(text)) if text.len() > self.limits.of(bound) => {
                Err(self.limits.exceeded(field, bound, Some(text.len())))
            }
            Some(Token::Text(std::borrow::Cow::Borrowed(text))) => {
                // A string ends where its value ends.
                let length = text.len() as u32;
                let span = Span { start: slot.span.end.saturating_sub(length), end: slot.span.end };
                Ok(if span.of(self.frame) == text.as_bytes() {
                    TextSpan::Plain(span)
                } else {
                    TextSpan::Unescaped((*text).into())
                })
            }
            Some(Token::Text(text)) => Ok(TextSpan::Unescaped(text.as_ref().into())),
            Some(_) => Err(Problem::Wrong { field, expected: "a text" }),
        }
    }

    /// A string that is required.
    fn needed_text(&self, slot: &Slot<'a>, field: &'static str, bound: Bound) -> Judged<TextSpan> {
        match self.text(slot, field, bound)? {
            TextSpan::Absent => Err(Problem::Missing { field }),
            text => Ok(text),
        }
    }

    /// An object with at most [`PacketLimits::meta`] bytes, both in the frame and as JSON.
    fn object(&self, slot: &Slot<'a>, field: &'static str) -> Judged<Part> {
        match slot.head {
            None | Some(Token::Null | Token::Undefined) => Ok(Part::default()),
            Some(Token::Map(Some(0))) => Ok(Part::from(Raw::empty_object())),
            Some(Token::Map(_)) => {
                let written = slot.span.of(self.frame);
                match to_json(written, self.format, self.limits.max_depth(), self.limits.meta) {
                    Ok(json) => Ok(Part::from(Raw::new(json.into()))),
                    Err(failure) => Err(self.no_meta(written, field, &failure)),
                }
            }
            Some(_) => Err(Problem::Wrong { field, expected: "an object" }),
        }
    }

    /// Why an object could not be converted.
    #[cold]
    fn no_meta(&self, written: &[u8], field: &'static str, failure: &Failure) -> Problem {
        if !failure.is_too_large() {
            return Problem::Wrong { field, expected: "an object that can be read" };
        }
        // An empty Buffer grows most. If it is cheap, the value is converted again to find out the size.
        let most = written.len().min(self.limits.meta).saturating_mul(32);
        let size = to_json(written, self.format, self.limits.max_depth(), most).map(|json| json.len()).ok();
        self.limits.exceeded(field, Bound::Meta, size)
    }

    /// An error object, or any other value in its place.
    fn error(&self, slot: &Slot<'a>) -> Judged<Part> {
        if slot.head.is_none() {
            return Ok(Part::default());
        }
        let written = slot.span.of(self.frame);
        let limit = super::json_length(written);
        match to_json(written, self.format, self.limits.max_depth(), limit) {
            Ok(json) => Ok(Part::from(Raw::new(json.into()))),
            Err(_) => Err(Problem::Limit {
                what: "length of the error as JSON",
                bound: None,
                limit,
                size: limit.saturating_add(1),
            }),
        }
    }

    fn groups(&self, slot: &Slot<'a>) -> Judged<Option<SmallVec<[TextSpan; 2]>>> {
        let wrong = Problem::Wrong { field: "groups", expected: "an array of texts" };
        match slot.head {
            None | Some(Token::Null | Token::Undefined) => return Ok(None),
            Some(Token::Array(_)) => {}
            _ => return Err(wrong),
        }
        let mut reader = self.format.reader(slot.span.of(self.frame));
        let Ok(Token::Array(length)) = reader.token() else { return Err(wrong) };
        let mut groups = SmallVec::new();
        while length.is_none_or(|length| groups.len() < length) {
            let head = reader.token().map_err(|_| wrong.clone())?;
            if head == Token::End {
                break;
            }
            if groups.len() >= self.limits.groups {
                return Err(self.limits.exceeded("groups", Bound::Groups, None));
            }
            let end = slot.span.start.saturating_add(reader.at() as u32);
            let slot = Slot { span: Span { start: slot.span.start, end }, head: Some(head) };
            groups.push(self.needed_text(&slot, "groups", Bound::Name)?);
        }
        Ok(Some(groups))
    }
}

/// The bytes of a body. `undefined` means no body.
fn body(slot: &Slot<'_>) -> Span {
    match slot.head {
        Some(Token::Undefined) => Span::default(),
        _ => slot.span,
    }
}

/// `true` or `false`. `None` if it is missing or null.
fn flag(slot: &Slot<'_>, field: &'static str) -> Judged<Option<bool>> {
    match slot.head {
        None | Some(Token::Null | Token::Undefined) => Ok(None),
        Some(Token::Bool(value)) => Ok(Some(value)),
        _ => Err(Problem::Wrong { field, expected: "true or false" }),
    }
}

/// A flag that Moleculer 0.14 computes as `params && …`. A call with the params `0` or `""` has these instead
/// of `false` (`lib/transit.js`, `request`).
fn stream_flag(slot: &Slot<'_>) -> Judged<Option<bool>> {
    match &slot.head {
        Some(Token::Unsigned(0)) => Ok(Some(false)),
        Some(Token::Float(value)) if *value == 0.0 || value.is_nan() => Ok(Some(false)),
        Some(Token::Text(text)) if text.is_empty() => Ok(Some(false)),
        _ => flag(slot, "stream"),
    }
}

/// An integer of 32 bits. `None` if it is missing or null.
fn integer(slot: &Slot<'_>, field: &'static str) -> Judged<Option<u32>> {
    let wrong = Problem::Wrong { field, expected: "an integer from 0 to 4294967295" };
    match slot.head {
        None | Some(Token::Null | Token::Undefined) => Ok(None),
        Some(Token::Unsigned(value)) => u32::try_from(value).map(Some).map_err(|_| wrong),
        Some(Token::Float(value)) if value.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&value) => {
            Ok(Some(value as u32))
        }
        _ => Err(wrong),
    }
}

fn milliseconds(slot: &Slot<'_>) -> Judged<Option<f64>> {
    let timeout = match &slot.head {
        None | Some(Token::Null | Token::Undefined) => return Ok(None),
        Some(Token::Unsigned(value)) => *value as f64,
        Some(Token::Float(value)) => *value,
        Some(Token::Negative(value)) => *value as f64,
        Some(Token::Text(text)) => return timeout::numeric_text(text).map(Some),
        _ => return Err(Problem::Wrong { field: "timeout", expected: "a number" }),
    };
    timeout::milliseconds(timeout).map(Some)
}
