//! Compressed packets that are not what they seem.

use flate2::{Compress, Compression, FlushCompress};
use std::io::Write as _;

/// The flag before a compressed packet.
const COMPRESSED: u8 = 1;

/// The number of megabytes that come out of a [`bomb`] of less than one.
pub const MEGABYTES: usize = 900;

/// Zeros in the format of zlib, without an end: `megabytes` of them in about as many thousand bytes.
pub fn bomb(megabytes: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut state = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(16 << 10);
    // A full flush ends on a byte and forgets what came before, so the block can be repeated.
    state.compress_vec(&zeros, &mut block, FlushCompress::Full).unwrap();
    assert_eq!(state.total_in(), 1 << 20, "it took all zeros at once");
    [&[COMPRESSED, 0x78, 0x9C][..], &block.repeat(megabytes)].concat()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

fn raw(data: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

/// Packets that a node with zlib compression cannot read, made from one that it can.
pub fn unreadable(packet: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flagged = |data: Vec<u8>| [&[COMPRESSED][..], &data].concat();
    let whole = zlib(packet);
    let mut altered = whole.clone();
    let at = altered.len() / 2;
    altered[at] ^= 0xFF;
    vec![
        ("gzip within zlib", flagged(zlib(&gzip(packet)))),
        ("gzip within gzip", flagged(gzip(&gzip(packet)))),
        ("zlib within zlib", flagged(zlib(&zlib(packet)))),
        ("gzip", flagged(gzip(packet))),
        ("without the header of zlib", flagged(raw(packet))),
        ("without an end", flagged(whole[..whole.len() - 6].to_vec())),
        ("nothing but the header", flagged(whole[..2].to_vec())),
        ("an altered byte", flagged(altered)),
        ("not compressed at all", flagged(packet.to_vec())),
        ("compressed, but said not to be", [&[0][..], &whole].concat()),
        ("no flag", packet.to_vec()),
        ("nothing but a flag", vec![COMPRESSED]),
        ("nothing but the other flag", vec![0]),
        ("nothing", Vec::new()),
    ]
}
