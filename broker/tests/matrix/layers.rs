//! Layers on the wire, as a stock node and as one of ours is given them.

use ligand::BrokerBuilder;
use ligand::layer::{Cipher, Compression, CompressionMethod, Encryption};
use serde_json::{Value, json};

use crate::js::Version;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IV: &str = "fedcba9876543210";

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Compression(CompressionMethod),
    Encryption(Cipher, Key),
}

/// What a cipher is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    WithIv,
    WithoutIv,
    /// What 0.14 takes a key without an IV for.
    Password,
}

const DEFLATE: Layer = Layer::Compression(CompressionMethod::Deflate);
const DEFLATE_RAW: Layer = Layer::Compression(CompressionMethod::DeflateRaw);
const GZIP: Layer = Layer::Compression(CompressionMethod::Gzip);
const CBC: Layer = Layer::Encryption(Cipher::Aes256Cbc, Key::WithIv);
const ECB: Layer = Layer::Encryption(Cipher::Aes256Ecb, Key::WithoutIv);
const CBC_PASSWORD: Layer = Layer::Encryption(Cipher::Aes256Cbc, Key::Password);
const ECB_PASSWORD: Layer = Layer::Encryption(Cipher::Aes256Ecb, Key::Password);

/// The layer given last acts first on what is sent.
pub(crate) const COMPRESSED_AND_ENCRYPTED: &[Layer] = &[CBC, DEFLATE];
const ENCRYPTED_AND_COMPRESSED: &[Layer] = &[DEFLATE, CBC];

/// The lists that are tried with a version: each layer alone, and two in both orders.
pub(crate) fn of(version: Version) -> &'static [&'static [Layer]] {
    match version {
        Version::V015 => &[
            &[DEFLATE],
            &[DEFLATE_RAW],
            &[GZIP],
            &[CBC],
            &[ECB],
            COMPRESSED_AND_ENCRYPTED,
            ENCRYPTED_AND_COMPRESSED,
        ],
        Version::V014 => &[
            &[DEFLATE],
            &[DEFLATE_RAW],
            &[GZIP],
            &[CBC],
            &[ECB_PASSWORD],
            &[CBC_PASSWORD],
            COMPRESSED_AND_ENCRYPTED,
            ENCRYPTED_AND_COMPRESSED,
        ],
    }
}

/// In the order in which they act on what is sent.
pub(crate) fn name(list: &[Layer]) -> String {
    list.iter().rev().map(Layer::name).collect::<Vec<_>>().join(", then ")
}

impl Layer {
    fn name(&self) -> String {
        match self {
            Self::Compression(method) => method.to_string(),
            Self::Encryption(cipher, Key::WithIv) => format!("{cipher} with IV"),
            Self::Encryption(cipher, Key::WithoutIv) => cipher.to_string(),
            Self::Encryption(cipher, Key::Password) => format!("{cipher} with a derived key"),
        }
    }

    pub(crate) fn derives_key(&self) -> bool {
        matches!(self, Self::Encryption(_, Key::Password))
    }

    /// Name and arguments of Node's middleware.
    pub(crate) fn theirs(&self) -> Value {
        match self {
            Self::Compression(method) => json!(["Compression", { "method": method.to_string() }]),
            Self::Encryption(cipher, Key::WithIv) => json!(["Encryption", KEY, cipher.to_string(), IV]),
            Self::Encryption(cipher, _) => json!(["Encryption", KEY, cipher.to_string()]),
        }
    }

    pub(crate) fn on(&self, builder: BrokerBuilder) -> BrokerBuilder {
        let encryption = match *self {
            Self::Compression(method) => return builder.layer(Compression::new(method)),
            Self::Encryption(cipher, Key::WithIv) => Encryption::with_iv(cipher, KEY, IV),
            Self::Encryption(cipher, Key::WithoutIv) => Encryption::without_iv(cipher, KEY),
            Self::Encryption(cipher, Key::Password) => Encryption::password(cipher, KEY),
        };
        builder.layer(encryption.expect("key and IV have the lengths of these ciphers"))
    }
}
