//! Node's serializers and ours on random values, both ways.
//!
//! What a serializer of Node has written is read by itself and by us; what we have written is read by it.
//! Each time both have to see the same. Where they do not, the reason stands in the reviewed list
//! `disagreements.json`, by the oddity of the value that it is about; an entry that explains nothing any
//! more fails the test, too.
//!
//! `TEST_INTEROP_VALUES` says how many values each serializer is given, 20,000 if nothing else is said.
//! What disagreed is counted, and written as a file per serializer into the folder `TEST_INTEROP_FOUND`.

use ligand::{Codec, Date, DecodeError};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::folder;

#[test]
fn node_and_we_agree_on_json() {
    compare(Codec::Json);
}

#[test]
fn node_and_we_agree_on_json_ext() {
    compare(Codec::JsonExt);
}

#[test]
fn node_and_we_agree_on_msgpack() {
    compare(Codec::MsgPack);
}

#[test]
fn node_and_we_agree_on_notepack() {
    compare(Codec::Notepack);
}

#[test]
fn node_and_we_agree_on_cbor() {
    compare(Codec::Cbor);
}

/// Values that each serializer is given each way.
const USUAL: usize = 20_000;

/// An entry of the reviewed list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    serializer: String,
    /// Who has written what is read otherwise: `node` or `rust`.
    written_by: String,
    oddity: String,
    reason: String,
}

fn compare(codec: Codec) {
    let count = match std::env::var("TEST_INTEROP_VALUES") {
        Ok(count) => count.parse().expect("TEST_INTEROP_VALUES is a number"),
        Err(_) => USUAL,
    };
    let list: Vec<Entry> =
        serde_json::from_str(include_str!("disagreements.json")).expect("a list of entries");
    let list: Vec<_> = list.into_iter().filter(|entry| entry.serializer == codec.as_str()).collect();
    // How many values each entry explains.
    let mut explained = vec![0_usize; list.len()];
    let mut explain = |written_by: &str, oddities: &BTreeSet<String>| {
        let of = |entry: &Entry| entry.written_by == written_by && oddities.contains(&entry.oddity);
        let entry = list.iter().position(of);
        entry.map(|entry| explained[entry] += 1).is_some()
    };
    let mut problems: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut note = |by: &str, oddities: &BTreeSet<String>, what: String| {
        let oddities = oddities.iter().cloned().collect::<Vec<_>>().join(", ");
        let row = problems.entry(format!("{by}: {oddities}")).or_insert((0, what));
        row.0 += 1;
    };
    written_by_node(codec, count, |bytes, theirs, oddities| {
        let ours = codec.decode::<Value>(bytes);
        if !agree(&ours, theirs) && !explain("node", oddities) {
            note("node", oddities, format!("{}\n  node sees {theirs}\n  we see    {ours:?}", hex(bytes)));
        }
    });
    written_by_us(codec, count, |bytes, value, theirs, oddities| {
        let expected: Result<_, DecodeError> = Ok(value.shown());
        if !agree(&expected, theirs) && !explain("rust", oddities) {
            note("rust", oddities, format!("{}\n  node sees {theirs}\n  we wrote  {expected:?}", hex(bytes)));
        }
    });
    let problems: Vec<_> = problems
        .iter()
        .map(|(key, (count, what))| format!("[{key}] {count} times, such as {what}"))
        .collect();
    assert!(problems.is_empty(), "{codec:?}: no reason is given for\n{}", problems.join("\n"));
    let found: Vec<_> = list.iter().zip(explained).collect();
    let unused: Vec<_> = found.iter().filter(|(_, count)| *count == 0).collect();
    // Fewer values need not hold every oddity.
    assert!(unused.is_empty() || count < USUAL, "{codec:?}: nobody disagrees any more about {unused:?}");
    let disagreements: usize = found.iter().map(|(_, count)| count).sum();
    println!("{codec:?}: {count} values each way, {disagreements} disagreements, all of them explained");
    if let Some(folder) = std::env::var_os("TEST_INTEROP_FOUND") {
        write_down(codec, count, &found, Path::new(&folder));
    }
}

/// For the document that `scripts/interop` makes.
fn write_down(codec: Codec, values: usize, found: &[(&Entry, usize)], folder: &Path) {
    let disagreement = |(entry, count): &(&Entry, usize)| json!({ "written_by": entry.written_by, "oddity": entry.oddity, "reason": entry.reason, "count": count });
    let disagreements: Vec<_> = found.iter().map(disagreement).collect();
    let found = json!({ "serializer": codec.as_str(), "values": values, "disagreements": disagreements });
    std::fs::write(folder.join(format!("{}.json", codec.as_str())), found.to_string()).expect("a folder");
}

/// Whether both see the same.
fn agree(ours: &Result<Value, DecodeError>, theirs: &str) -> bool {
    match (ours, theirs.strip_prefix('!')) {
        (Err(_), Some(_)) => true,
        (Ok(ours), None) => serde_json::from_str(theirs).is_ok_and(|theirs| same(ours, &theirs)),
        _ => false,
    }
}

/// Equality, but that a number is what JavaScript takes it for.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().map(f64::to_bits) == other.as_f64().map(f64::to_bits)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

fn node(arguments: &[&str]) -> Child {
    Command::new("node")
        .arg(folder().join("differential.js"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js 20 or newer is installed")
}

/// Gives each value that a serializer of Node has written: bytes, what it reads of them, oddities.
fn written_by_node(codec: Codec, count: usize, mut take: impl FnMut(&[u8], &str, &BTreeSet<String>)) {
    let mut process = node(&["make", codec.as_str(), &count.to_string(), &seed().to_string()]);
    let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut seen = 0;
    for line in lines {
        let line = line.expect("UTF-8");
        let mut fields = line.split('\t');
        let mut field = || fields.next().expect("three fields");
        let (bytes, theirs, oddities) = (unhex(field()), field().to_owned(), field());
        let oddities = oddities.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        take(&bytes, &theirs, &oddities);
        seen += 1;
    }
    assert!(process.wait().expect("it ends").success() && seen == count, "{seen} values of {count}");
}

/// Gives each value of ours with its bytes and what a serializer of Node reads of them.
fn written_by_us(codec: Codec, count: usize, mut take: impl FnMut(&[u8], &Made, &str, &BTreeSet<String>)) {
    let mut process = node(&["read", codec.as_str()]);
    let mut input = BufWriter::new(process.stdin.take().expect("it is piped"));
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut rng = SmallRng::seed_from_u64(seed());
    let mut left = count;
    while left > 0 {
        let batch: Vec<_> = (0..left.min(100))
            .map(|_| {
                let mut oddities = BTreeSet::new();
                let value = Made::random(&mut rng, codec, 4, &mut oddities);
                let bytes = codec.encode(&json_object(&value)).expect("it can be written").to_vec();
                (value, bytes, oddities)
            })
            .collect();
        for (_, bytes, _) in &batch {
            writeln!(input, "{}", hex(bytes)).expect("it reads");
        }
        input.flush().expect("it reads");
        for (value, bytes, oddities) in &batch {
            let theirs = lines.next().expect("an answer to each").expect("UTF-8");
            let theirs = match theirs.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}')) {
                Some(inner) => inner.to_owned(),
                None => theirs,
            };
            take(bytes, value, &theirs, oddities);
        }
        left -= batch.len();
    }
    drop(input);
    process.wait().expect("it ends");
}

/// Dates further away than year 9999 lose a millisecond here and there where they are floats.
const FAR: i64 = 253_402_300_800_000;

/// What serializers are made for: a packet is an object.
fn json_object(value: &Made) -> impl Serialize {
    BTreeMap::from([("v", value)])
}

fn seed() -> u64 {
    match std::env::var("TEST_INTEROP_SEED") {
        Ok(seed) => seed.parse().expect("TEST_INTEROP_SEED is a number"),
        Err(_) => 7,
    }
}

/// A value of Rust.
#[derive(Debug)]
enum Made {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Date(Date),
    Items(Vec<Made>),
    Members(Vec<(String, Made)>),
}

impl Serialize for Made {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_none(),
            Self::Bool(value) => value.serialize(to),
            Self::Signed(value) => value.serialize(to),
            Self::Unsigned(value) => value.serialize(to),
            Self::Wide(value) => value.serialize(to),
            Self::Float(value) => value.serialize(to),
            Self::Text(value) => value.serialize(to),
            Self::Bytes(value) => to.serialize_bytes(value),
            Self::Date(value) => value.serialize(to),
            Self::Items(items) => {
                let mut seq = to.serialize_seq(None)?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Members(members) => {
                let mut map = to.serialize_map(None)?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl Made {
    fn random(rng: &mut SmallRng, codec: Codec, depth: usize, oddities: &mut BTreeSet<String>) -> Self {
        let kinds = if depth > 0 { 12 } else { 10 };
        match rng.random_range(0..kinds) {
            0 => Self::Null,
            1 => Self::Bool(rng.random()),
            2 | 3 => Self::integer(rng, codec, oddities),
            4 | 5 => Self::float(rng, oddities),
            6 => Self::Text(text(rng, oddities)),
            // JSON has arrays of numbers for bytes.
            7 if codec != Codec::Json => Self::Bytes((0..size(rng)).map(|_| rng.random()).collect()),
            8 => {
                let milliseconds = rng.random_range(-8_640_000_000_000_000..=8_640_000_000_000_000_i64);
                let milliseconds = milliseconds >> rng.random_range(0..30);
                if milliseconds.abs() > FAR {
                    oddities.insert("far date".into());
                }
                Self::Date(Date::from_millis(milliseconds))
            }
            9 => Self::Date(Date::from_millis(rng.random_range(0..4_294_967_296_i64) * 1000)),
            10 => {
                let length = if rng.random_ratio(1, 20) { size(rng) % 400 } else { rng.random_range(0..6) };
                Self::Items((0..length).map(|_| Self::random(rng, codec, depth - 1, oddities)).collect())
            }
            _ if depth > 0 => {
                let length = if rng.random_ratio(1, 20) { size(rng) % 400 } else { rng.random_range(0..6) };
                let member = |n| {
                    (format!("{}{n}", text(rng, oddities)), Self::random(rng, codec, depth - 1, oddities))
                };
                Self::Members((0..length).map(member).collect())
            }
            _ => Self::Null,
        }
    }

    fn integer(rng: &mut SmallRng, codec: Codec, oddities: &mut BTreeSet<String>) -> Self {
        let bits = rng.random_range(0..64);
        let value = rng.random::<u64>() >> bits;
        if value > 1 << 53 {
            oddities.insert("beyond 2^53".into());
        }
        match rng.random_range(0..20) {
            0..10 => Self::Unsigned(value),
            10..18 => Self::Signed((value as i64).wrapping_neg()),
            _ if matches!(codec, Codec::JsonExt | Codec::Cbor) => {
                oddities.insert("128 bits".into());
                Self::Wide(rng.random::<i128>() >> rng.random_range(0..128))
            }
            _ => Self::Signed(-1),
        }
    }

    fn float(rng: &mut SmallRng, oddities: &mut BTreeSet<String>) -> Self {
        let value = match rng.random_range(0..6) {
            0 => f64::from_bits(rng.random()),
            1 => rng.random(),
            2 => f64::from(rng.random::<f32>()) * 1000.0,
            3 => f64::from(rng.random::<i16>()) / 8.0,
            4 => f64::from(rng.random::<i32>()) * 4096.0,
            _ => [0.0, -0.0, 0.5, 1e20, 5e-324, f64::MAX, f64::INFINITY, f64::NAN][rng.random_range(0..8)],
        };
        if value == 0.0 && value.is_sign_negative() {
            oddities.insert("minus zero".into());
        }
        if !value.is_finite() {
            oddities.insert("not finite".into());
        }
        Self::Float(value)
    }

    /// What a reader should see; see `differential.js`.
    fn shown(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => json!(value),
            Self::Signed(value) => json!(value),
            Self::Unsigned(value) => json!(value),
            Self::Wide(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => json!(value),
                (_, Ok(value)) => json!(value),
                _ => json!(value.to_string()),
            },
            Self::Float(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::Bytes(value) => json!({ "type": "Buffer", "data": value }),
            Self::Date(value) => json!(value.to_string()),
            Self::Items(items) => items.iter().map(Self::shown).collect(),
            Self::Members(members) => {
                members.iter().map(|(key, value)| (key.clone(), value.shown())).collect::<Map<_, _>>().into()
            }
        }
    }
}

/// A length, often one at which a header grows.
fn size(rng: &mut SmallRng) -> usize {
    match rng.random_range(0..50) {
        0 => [15, 16, 17, 23, 24, 25, 31, 32, 33, 255, 256, 257, 65_535, 65_536][rng.random_range(0..14)],
        _ => rng.random_range(0..12),
    }
}

fn text(rng: &mut SmallRng, oddities: &mut BTreeSet<String>) -> String {
    const PREFIXES: [&str; 6] = ["[[", "[[ES]]", "[[DT]]5", "[[XX]]", "[[BI]]1", "__"];
    const LETTERS: [char; 14] =
        ['a', 'Z', '0', ' ', '"', '\\', '\n', '\0', '\u{7f}', 'é', '漢', '\u{2028}', '🦀', '\u{feff}'];
    let mut text = String::new();
    if rng.random_ratio(1, 15) {
        text.push_str(PREFIXES[rng.random_range(0..PREFIXES.len())]);
    }
    for _ in 0..size(rng) {
        text.push(LETTERS[rng.random_range(0..LETTERS.len())]);
    }
    if text.starts_with('\u{feff}') && text.len() > 60 {
        oddities.insert("byte-order mark".into());
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("digits")).collect()
}
