//! Compression of packets, as in Node's middleware (protocol chapter 10.1).
//!
//! One byte precedes every packet. It is 0 if the rest is not compressed, because the packet is shorter than
//! the threshold. Any other value means that the rest is compressed; Node and ligand write 1. The packet does
//! not say which method was used, so all nodes need the same one. Their thresholds may differ.

use bytes::Bytes;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use serde_json::json;
use std::fmt;
use std::sync::Arc;

use super::{Layer, WireFn};
use crate::error::{Error, Result};

/// The first byte of a packet that is not compressed.
const PLAIN: u8 = 0;
/// The first byte of a packet that is compressed.
const COMPRESSED: u8 = 1;
/// Shorter packets are sent as they are.
const THRESHOLD: usize = 1024;
/// The largest packet before compression and after decompression.
const MAX_SIZE: usize = 1024 * 1024;
/// The base-two logarithm of the gzip window. This is zlib's default.
const WINDOW_BITS: u8 = 15;
/// The smallest step by which the output buffer grows, in bytes.
const STEP: usize = 1024;

/// How packets are compressed. The names are Node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CompressionMethod {
    /// The zlib format, RFC 1950. Node's default.
    #[default]
    Deflate,
    /// The same without header and checksum, RFC 1951.
    DeflateRaw,
    /// The gzip format, RFC 1952.
    Gzip,
}

impl fmt::Display for CompressionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deflate => "deflate",
            Self::DeflateRaw => "deflateRaw",
            Self::Gzip => "gzip",
        })
    }
}

impl CompressionMethod {
    fn compressor(self) -> Compress {
        let level = flate2::Compression::default();
        match self {
            Self::Deflate => Compress::new(level, true),
            Self::DeflateRaw => Compress::new(level, false),
            Self::Gzip => Compress::new_gzip(level, WINDOW_BITS),
        }
    }

    fn decompressor(self) -> Decompress {
        match self {
            Self::Deflate => Decompress::new(true),
            Self::DeflateRaw => Decompress::new(false),
            Self::Gzip => Decompress::new_gzip(WINDOW_BITS),
        }
    }
}

/// A [`Layer`] that compresses packets. Every node of the cluster needs one with the same method, at the same
/// place among the layers that change bytes. Node's is `Middlewares.Transmit.Compression`.
///
/// ```
/// use ligand::ServiceBroker;
/// use ligand::layer::{Compression, CompressionMethod};
///
/// let broker = ServiceBroker::builder()
///     .layer(Compression::new(CompressionMethod::Gzip).threshold(4096))
///     .build();
/// ```
///
/// Give it **after** an encrypting layer. The layer given last acts first on what is sent, and encrypted
/// packets do not compress.
#[derive(Debug, Clone)]
pub struct Compression {
    method: CompressionMethod,
    threshold: usize,
    max_size: usize,
}

impl Default for Compression {
    /// `deflate` from 1024 bytes, as in Node.
    fn default() -> Self {
        Self::new(CompressionMethod::default())
    }
}

impl Compression {
    /// Compresses with this method, from 1024 bytes, packets of at most 1 MiB.
    #[must_use]
    pub fn new(method: CompressionMethod) -> Self {
        Self { method, threshold: THRESHOLD, max_size: MAX_SIZE }
    }

    /// Sends packets shorter than this many bytes as they are. The default is 1024. 0 compresses every
    /// packet, as `null` does in Node.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Sets the size in bytes of the largest packet, before compression and after decompression. The default
    /// is 1 MiB. A larger packet is not sent, and its call fails as `PACKET_TOO_LARGE`. A received packet is
    /// dropped as soon as it exceeds this, so that a few bytes cannot fill the memory. Raise it together with
    /// the largest packet of the transporter.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// Turns a packet into what is sent.
    fn pack(&self, packet: &[u8]) -> Result<Bytes> {
        let (size, limit) = (packet.len(), self.max_size);
        if size > limit {
            let text = format!("The packet has {size} bytes, `Compression::max_size` allows {limit}.");
            return Err(Error::packet_too_large(text, size, limit));
        }
        if size < self.threshold {
            return Ok([&[PLAIN][..], packet].concat().into());
        }
        Ok(self.compress(packet)?.into())
    }

    /// Turns what was received back into a packet.
    fn unpack(&self, packet: &Bytes) -> Result<Bytes> {
        match packet.first() {
            None => Err(Error::codec("an empty packet: does its sender lack the layer `compression`?")),
            Some(&PLAIN) => Ok(packet.slice(1..)),
            Some(_) => Ok(self.decompress(packet.get(1..).unwrap_or_default())?.into()),
        }
    }

    fn compress(&self, packet: &[u8]) -> Result<Vec<u8>> {
        let mut state = self.method.compressor();
        let mut out = Vec::with_capacity((packet.len() / 2).max(STEP));
        out.push(COMPRESSED);
        loop {
            let rest = rest(packet, state.total_in());
            let status = state.compress_vec(rest, &mut out, FlushCompress::Finish).map_err(Error::codec)?;
            if status == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len().max(STEP));
        }
    }

    /// Decompresses `data`. What follows the end of the compressed data is ignored, as in Node.
    fn decompress(&self, data: &[u8]) -> Result<Vec<u8>> {
        let mut state = self.method.decompressor();
        let mut out = Vec::new();
        loop {
            // Room for one byte more than allowed tells a packet that is too large from one that just fits.
            let left = self.max_size.saturating_add(1).saturating_sub(out.len());
            if left == 0 {
                return Err(self.bomb());
            }
            out.reserve_exact(out.len().max(data.len()).max(STEP).min(left));
            let before = (state.total_in(), state.total_out());
            let rest = rest(data, state.total_in());
            match state.decompress_vec(rest, &mut out, FlushDecompress::None) {
                Ok(Status::StreamEnd) if out.len() > self.max_size => return Err(self.bomb()),
                Ok(Status::StreamEnd) => return Ok(out),
                // No progress, although there was room for output and all input was given.
                Ok(_) if before == (state.total_in(), state.total_out()) => {
                    return Err(Error::codec("the compressed packet ends too early"));
                }
                Ok(_) => {}
                Err(_) => {
                    return Err(Error::codec(format_args!(
                        "the packet is not compressed by {}: do all nodes have the same layers in the same order?",
                        self.method
                    )));
                }
            }
        }
    }

    fn bomb(&self) -> Error {
        let text = format!(
            "The packet has more than {} bytes when decompressed, the limit `Compression::max_size`.",
            self.max_size
        );
        Error::of_packet(413, "PACKET_TOO_LARGE", text, json!({ "limit": self.max_size }))
    }
}

impl Layer for Compression {
    fn name(&self) -> &'static str {
        "compression"
    }

    fn outgoing(&self, next: WireFn) -> WireFn {
        let this = self.clone();
        Arc::new(move |kind, packet| next(kind, this.pack(&packet)?))
    }

    fn incoming(&self, next: WireFn) -> WireFn {
        let this = self.clone();
        Arc::new(move |kind, packet| next(kind, this.unpack(&packet)?))
    }
}

/// What has not been consumed yet.
fn rest(data: &[u8], taken: u64) -> &[u8] {
    usize::try_from(taken).ok().and_then(|taken| data.get(taken..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METHODS: [CompressionMethod; 3] =
        [CompressionMethod::Deflate, CompressionMethod::DeflateRaw, CompressionMethod::Gzip];

    fn bytes(data: &[u8]) -> Bytes {
        Bytes::copy_from_slice(data)
    }

    #[test]
    fn what_is_shorter_than_the_threshold_is_sent_as_it_is_behind_a_zero() {
        let layer = Compression::default();
        let short = vec![b'x'; 1023];
        let sent = layer.pack(&short).unwrap();
        assert_eq!((sent[0], &sent[1..]), (0, &short[..]));
        assert_eq!(layer.unpack(&sent).unwrap(), short);
        let long = vec![b'x'; 1024];
        let sent = layer.pack(&long).unwrap();
        assert_eq!(sent[0], 1);
        assert!(sent.len() < 50, "{}", sent.len());
        assert_eq!(layer.threshold(0).pack(&[]).unwrap()[0], 1);
    }

    #[test]
    fn a_packet_of_the_largest_size_passes_and_one_byte_more_does_not() {
        for method in METHODS {
            let layer = Compression::new(method).max_size(100_000).threshold(0);
            let open = Compression::new(method).max_size(usize::MAX).threshold(0);
            let fits = bytes(&vec![b'x'; 100_000]);
            assert_eq!(layer.unpack(&layer.pack(&fits).unwrap()).unwrap(), fits);
            let larger = bytes(&vec![b'x'; 100_001]);
            let error = layer.pack(&larger).unwrap_err();
            assert_eq!((error.error_type(), error.is_retryable()), (Some("PACKET_TOO_LARGE"), false));
            assert_eq!(error.data().unwrap(), &json!({ "size": 100_001, "limit": 100_000 }));
            assert!(error.to_string().contains("`Compression::max_size`"), "{error}");
            let error = layer.unpack(&open.pack(&larger).unwrap()).unwrap_err();
            assert_eq!((error.error_type(), error.is_retryable()), (Some("PACKET_TOO_LARGE"), false));
            assert!(error.to_string().contains("`Compression::max_size`"), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_given_up_before_it_grows() {
        // Hundreds of mebibytes of zeros are a few hundred kibibytes of this.
        let open = Compression::default().max_size(usize::MAX);
        let bomb = open.pack(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 70_000, "{}", bomb.len());
        let error = Compression::default().unpack(&bomb).unwrap_err();
        assert_eq!(error.error_type(), Some("PACKET_TOO_LARGE"));
    }

    #[test]
    fn every_beginning_of_a_packet_is_refused_and_what_follows_its_end_is_ignored() {
        let packet = bytes(&b"some text, some more text, and some text again".repeat(40));
        for method in METHODS {
            let layer = Compression::new(method);
            let whole = layer.pack(&packet).unwrap();
            for end in 0..whole.len() {
                layer.unpack(&whole.slice(..end)).unwrap_err();
            }
            let longer = [&whole[..], b"\0\0garbage"].concat();
            assert_eq!(layer.unpack(&longer.into()).unwrap(), packet);
        }
    }

    #[test]
    fn a_packet_of_a_node_without_the_layer_is_refused() {
        for method in METHODS {
            Compression::new(method).unpack(&bytes(br#"{"ver":"5"}"#)).unwrap_err();
        }
    }

    fn method() -> impl Strategy<Value = CompressionMethod> {
        prop::sample::select(METHODS.to_vec())
    }

    proptest! {
        #[test]
        fn packets_come_back_as_they_went(
            method in method(),
            threshold in 0..3000_usize,
            seed in prop::collection::vec(any::<u8>(), 0..3000),
            times in 1..20_usize,
        ) {
            let packet = bytes(&seed.repeat(times));
            let sender = Compression::new(method).threshold(threshold);
            let receiver = Compression::new(method);
            prop_assert_eq!(receiver.unpack(&sender.pack(&packet)?)?, packet);
        }

        #[test]
        fn whatever_comes_is_read_or_refused_within_the_limit(
            method in method(),
            mut data in prop::collection::vec(any::<u8>(), 0..500),
            damaged in any::<prop::sample::Index>(),
            valid in any::<bool>(),
        ) {
            let layer = Compression::new(method).max_size(1000).threshold(0);
            if valid {
                let value = data.first().copied().unwrap_or_default();
                data = layer.pack(&data)?.to_vec();
                let at = damaged.index(data.len());
                data[at] = value;
            }
            if let Ok(read) = layer.unpack(&bytes(&data)) {
                prop_assert!(read.len() <= 1000);
            }
        }
    }
}
