//! Interprets the values of a frame.

use bytes::Bytes;
use ligand_transporters::Name;

use super::fields::Slot;
use super::number::{finite, whole};
use super::scan::{Bounds, Kind, Scanner};
use super::text::unescape;
use crate::protocol::{Raw, Span, TextSpan};
use crate::serializer::{Bound, PacketLimits, Problem};

/// Checks values of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) frame: &'a Bytes,
    /// The same frame as a string.
    pub(super) text: &'a str,
    pub(super) limits: &'a PacketLimits,
}

pub(super) type Judged<T> = Result<T, Problem>;

impl<'a> Reader<'a> {
    /// A reader of bytes that are UTF-8 and short enough for spans.
    #[inline]
    pub(super) fn new(frame: &'a Bytes, limits: &'a PacketLimits) -> Judged<Self> {
        if u32::try_from(frame.len()).is_err() {
            let limit = u32::MAX as usize;
            return Err(Problem::Limit { what: "length of a frame", bound: None, limit, size: frame.len() });
        }
        let text = std::str::from_utf8(frame)
            .map_err(|error| Problem::Syntax { at: error.valid_up_to(), what: "bytes that are not UTF-8" })?;
        Ok(Self { frame, text, limits })
    }

    /// The limits for everything except bodies.
    #[inline]
    pub(super) const fn bounds(&self) -> Bounds {
        Bounds::envelope(self.limits)
    }

    /// A scanner at the beginning of a value.
    #[inline]
    pub(super) const fn scanner(&self, slot: Slot) -> Scanner<'a> {
        Scanner::new(self.text, slot.span.start as usize)
    }

    /// The value as written.
    #[inline]
    pub(super) fn written(&self, slot: Slot) -> &'a str {
        self.text.get(slot.span.start as usize..slot.span.end as usize).unwrap_or_default()
    }

    /// A view of the value, unless it is missing or null.
    #[inline]
    pub(super) fn raw(&self, slot: Slot) -> Option<Raw> {
        if slot.kind == Kind::Null { None } else { slot.span.raw(self.frame) }
    }

    /// A string with at most this number of bytes. Missing and null are [`TextSpan::Absent`].
    #[inline]
    pub(super) fn text(&self, slot: Slot, field: &'static str, bound: Bound) -> Judged<TextSpan> {
        let inner = Span { start: slot.span.start.saturating_add(1), end: slot.span.end.saturating_sub(1) };
        let (text, length) = match slot.kind {
            Kind::Absent | Kind::Null => return Ok(TextSpan::Absent),
            Kind::Plain => (TextSpan::Plain(inner), inner.end.saturating_sub(inner.start) as usize),
            Kind::Escaped => {
                let text = unescape(inner.of(self.frame))
                    .ok_or(Problem::Wrong { field, expected: "a text without lone surrogates" })?;
                let length = text.len();
                (TextSpan::Unescaped(text.into()), length)
            }
            _ => return Err(Problem::Wrong { field, expected: "a text" }),
        };
        if length > self.limits.of(bound) {
            return Err(self.limits.exceeded(field, bound, Some(length)));
        }
        Ok(text)
    }

    /// An id: a string, or a number.
    #[inline]
    pub(super) fn id(&self, slot: Slot, field: &'static str) -> Judged<TextSpan> {
        match slot.kind {
            Kind::Number => self.numeric_id(slot, field),
            _ => self.text(slot, field, Bound::Id),
        }
    }

    #[cold]
    fn numeric_id(&self, slot: Slot, field: &'static str) -> Judged<TextSpan> {
        match self.written(slot) {
            number if number.len() > self.limits.id => {
                Err(self.limits.exceeded(field, Bound::Id, Some(number.len())))
            }
            number => Ok(TextSpan::Number(number.into())),
        }
    }

    /// An id that is required.
    #[inline]
    pub(super) fn needed_id(&self, slot: Slot, field: &'static str) -> Judged<TextSpan> {
        match self.id(slot, field)? {
            TextSpan::Absent => Err(Problem::Missing { field }),
            id => Ok(id),
        }
    }

    /// A string that is required.
    #[inline]
    pub(super) fn needed_text(&self, slot: Slot, field: &'static str, bound: Bound) -> Judged<TextSpan> {
        match self.text(slot, field, bound)? {
            TextSpan::Absent => Err(Problem::Missing { field }),
            text => Ok(text),
        }
    }

    /// A string of its own. `None` if it is missing or null.
    #[inline]
    pub(super) fn name(&self, slot: Slot, field: &'static str, bound: Bound) -> Judged<Option<Name>> {
        Ok(self.text(slot, field, bound)?.get(self.frame).map(Name::from))
    }

    /// A flag that Moleculer 0.14 computes as `params && …`. A call with the params `0` or `""` has these
    /// instead of `false` (`lib/transit.js`, `request`).
    #[inline]
    pub(super) fn stream(&self, slot: Slot) -> Judged<Option<bool>> {
        let falsy = match slot.kind {
            Kind::Number => finite(self.written(slot)) == Some(0.0),
            Kind::Plain => self.written(slot) == "\"\"",
            _ => false,
        };
        if falsy { Ok(Some(false)) } else { slot.flag("stream") }
    }

    /// A finite number. `None` if it is missing or null.
    #[inline]
    pub(super) fn number(&self, slot: Slot, field: &'static str) -> Judged<Option<f64>> {
        match slot.kind {
            Kind::Absent | Kind::Null => Ok(None),
            Kind::Number => match finite(self.written(slot)) {
                Some(number) => Ok(Some(number)),
                None => Err(Problem::Wrong { field, expected: "a finite number of at most 64 characters" }),
            },
            _ => Err(Problem::Wrong { field, expected: "a number" }),
        }
    }

    /// An integer that a peer may count up to. `None` if it is missing or null.
    #[inline]
    pub(super) fn integer(&self, slot: Slot, field: &'static str) -> Judged<Option<u64>> {
        match slot.kind {
            Kind::Absent | Kind::Null => return Ok(None),
            Kind::Number => {}
            _ => return Err(Problem::Wrong { field, expected: "an integer" }),
        }
        match whole(self.written(slot)) {
            Some(integer) => Ok(Some(integer)),
            None => Err(Problem::Wrong { field, expected: "an integer from 0 to 2^53" }),
        }
    }

    /// An integer of 32 bits. `None` if it is missing or null.
    #[inline]
    pub(super) fn small_integer(&self, slot: Slot, field: &'static str) -> Judged<Option<u32>> {
        match self.integer(slot, field)?.map(u32::try_from) {
            None => Ok(None),
            Some(Ok(integer)) => Ok(Some(integer)),
            Some(Err(_)) => Err(Problem::Wrong { field, expected: "an integer from 0 to 4294967295" }),
        }
    }

    /// An object with at most [`PacketLimits::meta`] bytes.
    #[inline]
    pub(super) fn meta(&self, slot: Slot, field: &'static str) -> Judged<Span> {
        let span = slot.object(field)?;
        let size = span.of(self.frame).len();
        if size > self.limits.meta {
            return Err(self.limits.exceeded(field, Bound::Meta, Some(size)));
        }
        Ok(span)
    }
}

impl Slot {
    /// `true` or `false`. `None` if it is missing or null.
    #[inline]
    pub(super) fn flag(self, field: &'static str) -> Judged<Option<bool>> {
        match self.kind {
            Kind::Absent | Kind::Null => Ok(None),
            Kind::True => Ok(Some(true)),
            Kind::False => Ok(Some(false)),
            _ => Err(Problem::Wrong { field, expected: "true or false" }),
        }
    }

    /// An object. The empty span if it is missing or null.
    #[inline]
    pub(super) fn object(self, field: &'static str) -> Judged<Span> {
        match self.kind {
            Kind::Absent | Kind::Null => Ok(Span::default()),
            Kind::Object => Ok(self.span),
            _ => Err(Problem::Wrong { field, expected: "an object" }),
        }
    }
}
