//! Special values in types that serde buffers.
//!
//! A type that is internally tagged, flattened or untagged is read in two steps: serde stores the value in a
//! buffer, and fields read from the buffer later. The buffer holds one form of each value, and nothing tells
//! which form a field asks for. But a Buffer is a sequence for a `Vec<u8>`, and an object for a `Value`.
//!
//! So the buffer gets a probe instead of such a value: bytes that are not text. A field that asks for
//! anything except bytes fails, and the failure says what it asked for ([`asked`]). Then everything is read
//! again, with the value in that form. A value that is not buffered is read once, without any of this.

use serde::de::{Expected, Unexpected, Visitor};
use std::cell::Cell;
use std::fmt::{self, Write as _};

use super::date;

/// How many values of a kind are distinguished by their order. Further ones are distinguished by their keys.
const BY_ORDER: usize = 4;
/// How many keys are distinguished.
const BY_KEY: usize = 8;
const SLOTS: usize = BY_ORDER + BY_KEY;

/// The content of probes. They are recognized by their addresses, which no received bytes have.
static PROBES: [[u8; SLOTS]; 2] = [[0xFF; SLOTS]; 2];

/// Values whose form depends on the type that asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Bytes = 0,
    Date = 1,
}

/// The form of a special value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Bytes.
    Bytes,
    /// The form that JSON has for it.
    Json,
    Sequence,
    Integer,
    Float,
}

/// What has been learned about the special values of one body.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    of: [Slots; 2],
    /// The key that a buffer has read last, as a number.
    key: Cell<u32>,
    /// Whether the current reading has used probes.
    probed: Cell<bool>,
    /// Nothing more can be learned.
    settled: Cell<bool>,
    /// Whether dates are probed, too. Most types want them as strings, so that is tried first.
    dates: Cell<bool>,
    /// Whether buffers get whole floats as integers.
    whole: Cell<bool>,
}

/// The special values of one kind.
#[derive(Debug, Default)]
struct Slots {
    /// How many of them the current reading has met.
    met: Cell<usize>,
    forms: [Cell<Option<Form>>; SLOTS],
    keys: [Cell<Option<u32>>; BY_KEY],
}

impl Slots {
    /// The place of the next value.
    fn next(&self, key: u32) -> usize {
        let met = self.met.get();
        self.met.set(met.saturating_add(1));
        if met < BY_ORDER {
            return met;
        }
        let mut keys = self.keys.iter();
        let at = keys.position(|known| known.get().is_none_or(|known| known == key));
        // If there are more keys than places, the last place is for all others.
        let at = at.unwrap_or(BY_KEY.saturating_sub(1));
        if let Some(known) = self.keys.get(at).filter(|known| known.get().is_none()) {
            known.set(Some(key));
        }
        BY_ORDER.saturating_add(at)
    }
}

impl Shown {
    /// Called before a buffer reads the value of this key.
    pub(super) fn at_key(&self, key: &str) {
        // FNV-1a.
        let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        self.key.set(key.as_bytes().iter().fold(0x811C_9DC5, add));
    }

    /// The form of the next special value of this kind for a buffer, or its probe.
    pub(super) fn form(&self, special: Special) -> Result<Form, &'static [u8]> {
        let (Some(slots), Some(probes)) = (self.of.get(special as usize), PROBES.get(special as usize))
        else {
            return Ok(Form::Json);
        };
        let at = slots.next(self.key.get());
        if let Some(form) = slots.forms.get(at).and_then(Cell::get) {
            return Ok(form);
        }
        match (special, probes.get(at..=at)) {
            (Special::Date, _) if !self.dates.get() => Ok(Form::Json),
            (_, Some(probe)) if !self.settled.get() => {
                self.probed.set(true);
                Err(probe)
            }
            (Special::Bytes, _) => Ok(Form::Bytes),
            (Special::Date, _) => Ok(Form::Json),
        }
    }

    /// Whether buffers get whole floats as integers.
    pub(super) fn whole_as_integers(&self) -> bool {
        self.whole.get()
    }

    /// Called after a reading. Returns whether another reading may learn more. That happens at most once for
    /// each probe, and a few times more.
    pub(super) fn again(&self, succeeded: bool) -> bool {
        let probed = self.probed.take();
        if succeeded && !probed {
            return false;
        }
        self.rewind();
        let heard = HEARD.take();
        if probed {
            match (heard.wanted, heard.text) {
                (Some((kind, at, form)), _) => self.learn(kind, at, form),
                // The bytes are not text, but another type accepted them.
                (None, Some((kind @ 0, at))) if succeeded => self.learn(kind, at, Form::Sequence),
                (None, Some((kind, at))) => self.learn(kind, at, Form::Json),
                // No field asked for it, or one asked for bytes.
                (None, None) => self.settled.set(true),
            }
            return true;
        }
        let dates = heard.date_as_number && !self.dates.replace(true);
        if dates {
            self.settled.set(false);
        }
        dates || heard.whole_as_integer && !self.whole.replace(true)
    }

    /// Uses no more probes, for a reading whose error people will read.
    pub(super) fn settle(&self) {
        self.settled.set(true);
        self.rewind();
    }

    fn rewind(&self) {
        self.of.iter().for_each(|slots| slots.met.set(0));
    }

    fn learn(&self, kind: usize, at: usize, form: Form) {
        if let Some(known) = self.of.get(kind).and_then(|slots| slots.forms.get(at)) {
            known.set(Some(form));
        }
    }
}

/// Whether a visitor is a buffer of serde. Its type has no public name, but it says what it expects.
pub(super) fn is_buffer<'de>(visitor: &impl Visitor<'de>) -> bool {
    struct Same(&'static str);
    impl fmt::Write for Same {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut left = Same("any value");
    write!(left, "{}", visitor as &dyn Expected).is_ok() && left.0.is_empty()
}

/// What fields have asked of buffers in the current reading.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// The first probe for which something was asked, and what.
    wanted: Option<(usize, usize, Form)>,
    /// The first probe for which a string was asked.
    text: Option<(usize, usize)>,
    date_as_number: bool,
    whole_as_integer: bool,
}

thread_local! {
    // The functions that make the errors of serde's buffers get no other arguments.
    static HEARD: Cell<Heard> = const {
        Cell::new(Heard { wanted: None, text: None, date_as_number: false, whole_as_integer: false })
    };
}

/// Records that a value had another type than expected.
pub(super) fn asked(found: &Unexpected<'_>, expected: &dyn Expected) {
    let change = |change: &dyn Fn(&mut Heard)| {
        let mut heard = HEARD.get();
        change(&mut heard);
        HEARD.set(heard);
    };
    match found {
        Unexpected::Bytes(bytes) => {
            let Some((kind, at)) = probe(bytes) else { return };
            let expected = expected.to_string();
            let form = match (kind, Number::named(&expected)) {
                (1, Some(Number::Integer)) => Form::Integer,
                (1, Some(Number::Float)) => Form::Float,
                (0, _) if is_sequence(&expected) => Form::Sequence,
                _ if expected == "a string" => {
                    return change(&|heard| heard.text = heard.text.or(Some((kind, at))));
                }
                _ => Form::Json,
            };
            change(&|heard| heard.wanted = heard.wanted.or(Some((kind, at, form))));
        }
        Unexpected::Float(value)
            if value.fract() == 0.0
                && matches!(Number::named(&expected.to_string()), Some(Number::Integer)) =>
        {
            change(&|heard| heard.whole_as_integer = true);
        }
        Unexpected::Str(text)
            if Number::named(&expected.to_string()).is_some() && date::parse(text).is_some() =>
        {
            change(&|heard| heard.date_as_number = true);
        }
        _ => {}
    }
}

/// The probe that these bytes are.
fn probe(bytes: &[u8]) -> Option<(usize, usize)> {
    let start = bytes.as_ptr();
    PROBES.iter().enumerate().find_map(|(kind, probes)| {
        let at = probes.iter().position(|probe| std::ptr::eq(probe, start));
        at.filter(|_| bytes.len() == 1).map(|at| (kind, at))
    })
}

enum Number {
    Integer,
    Float,
}

impl Number {
    /// Recognized by the expectation that serde's numbers report.
    fn named(expected: &str) -> Option<Self> {
        match expected {
            "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => {
                Some(Self::Integer)
            }
            "f32" | "f64" => Some(Self::Float),
            _ if expected.starts_with("a nonzero ") => Some(Self::Integer),
            _ => None,
        }
    }
}

/// Recognized by the expectation that serde's sequences, arrays and tuples report.
fn is_sequence(expected: &str) -> bool {
    ["a sequence", "an array", "an empty array", "a tuple", "tuple "]
        .iter()
        .any(|beginning| expected.starts_with(beginning))
}
