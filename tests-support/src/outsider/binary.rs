//! Packets in MsgPack and CBOR, byte by byte.

/// The format in which lengths and texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    MsgPack,
    Cbor,
}

impl Format {
    /// A text of less than 256 bytes.
    pub fn text(self, text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let head = match self {
            Self::MsgPack => 0xD9,
            Self::Cbor => 0x78,
        };
        [&[head, length], text.as_bytes()].concat()
    }

    /// A map of less than 16 entries.
    pub fn map(self, entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let length = u8::try_from(entries.len()).unwrap();
        let head = match self {
            Self::MsgPack => 0x80 | length,
            Self::Cbor => 0xA0 | length,
        };
        let mut map = vec![head];
        for (key, value) in entries {
            map.extend(self.text(key));
            map.extend(value);
        }
        map
    }

    /// A request to `echo.echo`.
    pub fn request(self, sender: &str, id: &str, params: Vec<u8>) -> Vec<u8> {
        self.map(&[
            ("ver", self.text("5")),
            ("sender", self.text(sender)),
            ("id", self.text(id)),
            ("action", self.text("echo.echo")),
            ("meta", self.map(&[])),
            ("params", params),
        ])
    }

    /// Nested values, far deeper than in any packet.
    pub fn nested(self) -> Vec<(&'static str, Vec<u8>)> {
        let deep = |open: &[u8], count: usize, end: &[u8]| [open.repeat(count), end.to_vec()].concat();
        match self {
            Self::MsgPack => vec![
                ("arrays", deep(&[0x91], 100_000, &[0xC0])),
                ("maps", deep(&[0x81, 0xA1, b'a'], 100_000, &[0xC0])),
                ("arrays without an end", deep(&[0x91], 100_000, &[])),
            ],
            Self::Cbor => vec![
                ("arrays", deep(&[0x81], 100_000, &[0xF6])),
                ("maps", deep(&[0xA1, 0x61, b'a'], 100_000, &[0xF6])),
                ("arrays without a length", [[0x9F].repeat(100_000), [0xFF].repeat(100_000)].concat()),
                ("arrays without an end", deep(&[0x9F], 100_000, &[])),
                ("tags", deep(&[0xC6], 900_000, &[0x00])),
            ],
        }
    }

    /// Values that claim to be longer than any packet.
    pub fn boastful(self) -> Vec<(&'static str, Vec<u8>)> {
        let long = |head: u8| [&[head][..], &[0xFF; 8]].concat();
        match self {
            Self::MsgPack => {
                [("array", 0xDD), ("map", 0xDF), ("bytes", 0xC6), ("text", 0xDB), ("extension", 0xC9)]
                    .map(|(what, head)| (what, [&[head][..], &[0xFF; 5]].concat()))
                    .to_vec()
            }
            Self::Cbor => [("array", 0x9B), ("map", 0xBB), ("bytes", 0x5B), ("text", 0x7B)]
                .map(|(what, head)| (what, long(head)))
                .to_vec(),
        }
    }
}
