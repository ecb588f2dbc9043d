//! JSON that no well-behaved node sends.

use ligand_transporters::PacketKind;
use serde_json::{Value, json};

/// Bytes that are not a packet of any kind.
pub fn no_packets() -> [&'static [u8]; 8] {
    [b"null", b"[]", b"\"x\"", b"0", b"", b"{", b"{}", b"\xff"]
}

/// Objects with almost nothing in them, or nothing that fits.
pub fn hollow() -> [Value; 3] {
    [
        json!({}),
        json!({ "sender": { "$gt": "" }, "ver": 5, "services": 7, "id": [] }),
        json!({ "sender": "", "id": "", "event": "", "action": "" }),
    ]
}

/// A request to `echo.echo` with all fields except those that a case is about.
fn around(sender: &str, id: &str, middle: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","action":"echo.echo",{middle},"meta":{{}},"level":1,"stream":false,"ver":"5","sender":"{sender}"}}"#
    )
    .into_bytes()
}

/// Requests with half a million brackets, each with its id. All of them can be answered.
pub fn brackets(sender: &str) -> [(&'static str, Vec<u8>); 3] {
    let open = "[".repeat(480_000);
    // What comes after unclosed brackets cannot be told from what is inside them.
    let unclosed =
        format!(r#"{{"id":"unclosed","sender":"{sender}","ver":"5","action":"echo.echo","params":{open}"#);
    let closed = around(sender, "closed", &format!(r#""params":{open}{}"#, "]".repeat(480_000)));
    let meta = format!(r#""params":1,"meta":{}{}"#, "[".repeat(200), "]".repeat(200));
    [("unclosed", unclosed.into_bytes()), ("closed", closed), ("meta", around(sender, "meta", &meta))]
}

/// Brackets in a field that nodes read in packets of this kind.
pub fn brackets_in(kind: PacketKind, sender: &str) -> Vec<u8> {
    let field = match kind {
        PacketKind::Event | PacketKind::Response => "data",
        PacketKind::Info => "services",
        PacketKind::Heartbeat => "cpu",
        PacketKind::Ping | PacketKind::Pong => "time",
        _ => "params",
    };
    format!(r#"{{"id":"deep","sender":"{sender}","ver":"5","{field}":{}"#, "[".repeat(480_000)).into_bytes()
}

/// The result of an odd request.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The params come back as this text.
    Echo(&'static str),
    Error,
    /// Nobody can be answered, so the packet is dropped and counted.
    Dropped,
}

/// A request that is odd in one way.
#[derive(Debug)]
pub struct Odd {
    pub what: &'static str,
    pub id: String,
    pub packet: Vec<u8>,
    pub expected: Expected,
}

/// Requests in odd JSON. Each has one defined result.
pub fn odd_requests(sender: &str) -> Vec<Odd> {
    use Expected::{Dropped, Echo, Error};
    let params = |text: &str| around(sender, "ID", &format!(r#""params":{text}"#));
    let with = |before: &[u8], after: &[u8]| [before, &params("1"), after].concat();
    let mut bad_utf8 = params("\"?\"");
    let at = bad_utf8.iter().position(|byte| *byte == b'?').unwrap();
    bad_utf8[at] = 0xff;
    let utf16: Vec<u8> = params("1").iter().flat_map(|byte| [*byte, 0]).collect();
    let long_number = format!(r#"1{}"#, "0".repeat(900_000));
    let rows: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("id twice", around(sender, "other", r#""id":"ID","params":1"#), Echo("1")),
        ("byte order mark", with(b"\xef\xbb\xbf", b""), Error),
        ("trailing garbage", with(b"", b" x"), Error),
        ("second object", with(b"", b"{}"), Error),
        ("blanks around", with(b" \n", b"\t "), Echo("1")),
        ("lone surrogate", params(r#""\ud800""#), Echo(r#""\ud800""#)),
        ("number above all", params("1e400"), Echo("1e400")),
        ("minus zero", params("-0"), Echo("-0")),
        ("2^53 + 1", params("9007199254740993"), Echo("9007199254740993")),
        ("NaN", params("NaN"), Error),
        ("long number", params(&long_number), Echo("")),
        ("raw control characters", params("\"\u{1}\u{8}\""), Error),
        ("UTF-16", utf16, Dropped),
        ("not UTF-8", bad_utf8, Error),
    ];
    let numbered = rows.into_iter().enumerate();
    numbered
        .map(|(n, (what, packet, expected))| {
            let id = format!("odd-{n}");
            Odd { what, packet: replaced(&packet, b"ID", id.as_bytes()), id, expected }
        })
        .collect()
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|part| part == from) {
        Some(at) => [&text[..at], to, &text[at + from.len()..]].concat(),
        None => text.to_vec(),
    }
}

/// Fields of a request with values of a wrong type.
pub fn wrong_fields() -> [(&'static str, Value); 14] {
    [
        ("timeout", json!("NaN")),
        ("timeout", json!(-1)),
        ("timeout", json!(1e308)),
        ("meta", json!([])),
        ("meta", json!("x")),
        ("headers", json!([1])),
        ("tracing", json!("yes")),
        ("level", json!("1")),
        ("level", json!(-1)),
        ("action", json!({})),
        ("requestID", json!({})),
        ("caller", json!([])),
        ("stream", json!("true")),
        ("parentID", json!(true)),
    ]
}

/// Events with one such field. No error can be returned for them.
pub fn wrong_events(sender: &str) -> [Value; 4] {
    let fields =
        [("event", json!({})), ("groups", json!("mail")), ("sender", json!({})), ("ver", json!([[]]))];
    fields.map(|(field, value)| {
        let mut event = json!({ "id": "e", "event": "x", "data": 1, "groups": ["a"], "broadcast": false,
            "meta": {}, "level": 1, "ver": "5", "sender": sender });
        event[field] = value;
        event
    })
}

/// A piece of a stream to `echo.echo`, as Node writes it. Piece 0 opens the stream.
pub fn piece(id: &str, seq: impl Into<Value>, goes_on: bool) -> Value {
    json!({
        "id": id, "action": "echo.echo", "params": "piece", "meta": {}, "headers": {}, "timeout": 5000,
        "level": 1, "tracing": null, "parentID": null, "requestID": id, "caller": null, "stream": goes_on,
        "seq": seq.into(),
    })
}

/// Values for the number of a piece, each with whether it makes a valid piece.
pub fn odd_places() -> [(Value, bool); 8] {
    [
        (json!(1_u64 << 31), true),
        (json!(-1), false),
        (json!(1.5), false),
        (json!("1"), false),
        (json!(1_u64 << 40), false),
        (json!(1), true),
        (json!(1), true),
        (json!(1), true),
    ]
}

/// Pieces after the end of the stream with this id, which are of no use.
pub fn belated(id: &str) -> [Value; 5] {
    let mut error = piece(id, 3, false);
    error["headers"] = json!({ "$streamError": { "name": "Error", "message": "too late" } });
    [piece(id, 1, true), piece(id, 2, false), piece(id, 2, false), error, piece(id, 4, true)]
}

/// Packets of the other kinds with fields of wrong types, one field each.
pub fn wrong_packets(kind: PacketKind) -> Vec<Value> {
    let fields: &[&str] = match kind {
        PacketKind::Response => &["id", "success", "meta", "error"],
        PacketKind::Info => &["services", "seq", "instanceID", "ipList", "config", "client", "hostname"],
        PacketKind::Heartbeat => &["cpu", "seq", "instanceID"],
        PacketKind::Ping | PacketKind::Pong => &["id", "time", "arrived"],
        _ => &["ver"],
    };
    let values = [json!({ "a": [1] }), json!([[]]), json!(true), json!(-1e308)];
    let all = fields.iter().flat_map(|field| values.iter().map(move |value| (*field, value)));
    all.map(|(field, value)| json!({ field: value })).collect()
}
