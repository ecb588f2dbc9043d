//! Encryption of packets: as in Node's layer (protocol chapter 10.2), and in a mode of ligand's own that also
//! authenticates.
//!
//! Node encrypts the bytes of every packet with a key and an IV that never change, and adds nothing before or
//! after them. An eavesdropper sees which packets are equal. Whoever can send can replay packets, and can
//! alter them unnoticed. That is the price of compatibility, and the broker warns about it when it starts.

mod block;
mod cipher;
mod derive;
mod error;
mod sealed;

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

use super::{Layer, WireFn};
use crate::error::{Error, Result};
use block::Block;
pub use cipher::Cipher;
pub use error::EncryptionError;
use sealed::Sealed;

/// A [`Layer`] that encrypts packets. Every node of the cluster needs the same one, at the same place among
/// the layers that change bytes.
///
/// | here | Node's `Middlewares.Transmit` |
/// |---|---|
/// | [`Encryption::with_iv`] | `Encryption(key, "aes-256-cbc", iv)`, 0.14 and 0.15 |
/// | [`Encryption::without_iv`] | `Encryption(key, "aes-256-ecb")`, 0.15 |
/// | [`Encryption::password`] | `Encryption(password, algorithm)`, 0.14 on Node.js below 22 |
/// | [`Encryption::authenticated`] | nothing: between ligand nodes only |
///
/// ```
/// use ligand::ServiceBroker;
/// use ligand::layer::{Cipher, Compression, Encryption};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = "0123456789abcdef0123456789abcdef";
/// let encryption = Encryption::with_iv(Cipher::Aes256Cbc, key, "fedcba9876543210")?;
/// // What is sent is compressed first and encrypted last.
/// let broker = ServiceBroker::builder().layer(encryption).layer(Compression::default()).build()?;
/// # Ok(()) }
/// ```
pub struct Encryption(Arc<Mode>);

enum Mode {
    Block { block: Block, cipher: Cipher, derived: bool },
    Sealed(Box<Sealed>),
}

impl Mode {
    fn encrypt(&self, packet: &[u8]) -> Result<Bytes> {
        match self {
            Self::Block { block, .. } => Ok(block.encrypt(packet).into()),
            Self::Sealed(sealed) => {
                let packet = sealed.seal(packet);
                packet.map(Bytes::from).ok_or_else(|| Error::codec("the packet is too long to be encrypted"))
            }
        }
    }

    fn decrypt(&self, packet: &[u8]) -> Result<Bytes> {
        let opened = match self {
            Self::Block { block, .. } => block.decrypt(packet),
            Self::Sealed(sealed) => sealed.open(packet),
        };
        opened.map(Bytes::from).ok_or_else(|| {
            Error::codec(
                "the packet cannot be decrypted: do all nodes have the same key, cipher and IV, \
                 and the same layers in the same order?",
            )
        })
    }
}

impl Encryption {
    /// Uses one IV for all packets, as Node does. Key and IV are used as they are; Node encodes a text as
    /// UTF-8.
    ///
    /// **Weak:** equal packets look equal, and so do equal beginnings. Nothing is authenticated.
    ///
    /// # Errors
    /// If the cipher takes no IV, or if the key or the IV has the wrong length for it.
    pub fn with_iv(
        cipher: Cipher,
        key: impl AsRef<[u8]>,
        iv: impl AsRef<[u8]>,
    ) -> Result<Self, EncryptionError> {
        if !cipher.takes_iv() {
            return Err(EncryptionError::IvUnwanted { cipher });
        }
        let got = iv.as_ref().len();
        let iv = iv.as_ref().try_into().map_err(|_| EncryptionError::IvLength { cipher, got })?;
        Self::block(cipher, key.as_ref(), Some(iv), false)
    }

    /// Uses a cipher that needs no IV, as Node 0.15 does. The key is used as it is.
    ///
    /// **Weak:** equal blocks of 16 bytes look equal, and nothing is authenticated.
    ///
    /// # Errors
    /// If the cipher needs an IV, or if the key has the wrong length for it.
    pub fn without_iv(cipher: Cipher, key: impl AsRef<[u8]>) -> Result<Self, EncryptionError> {
        if cipher.takes_iv() {
            return Err(EncryptionError::IvMissing { cipher });
        }
        Self::block(cipher, key.as_ref(), None, false)
    }

    /// Derives key and IV from a password, as Moleculer 0.14 does when it is given no IV: with OpenSSL's
    /// `EVP_BytesToKey`, one round of MD5 and no salt. Node.js 22 and newer can no longer do that.
    ///
    /// **Weak:** as [`Encryption::with_iv`]. In addition, passwords can be tried at the speed of MD5.
    ///
    /// # Errors
    /// If the password is empty.
    pub fn password(cipher: Cipher, password: impl AsRef<[u8]>) -> Result<Self, EncryptionError> {
        if password.as_ref().is_empty() {
            return Err(EncryptionError::NoPassword);
        }
        let derived = derive::bytes_to_key(password.as_ref());
        let (key, rest) = derived.split_at(cipher.key_length().min(derived.len()));
        let iv = rest.first_chunk().copied().filter(|_| cipher.takes_iv());
        Self::block(cipher, key, iv, true)
    }

    /// Uses AES-256-GCM with a random nonce per packet. A packet that was altered, or encrypted with another
    /// key, is refused. This mode is for clusters of ligand nodes only. The key has 32 bytes, which should be
    /// random.
    ///
    /// On the wire: one byte 1, 12 bytes of nonce, the encrypted packet, 16 bytes of tag. The first byte is
    /// authenticated with the rest.
    ///
    /// **Limits:** nonces are random, so all nodes together should send at most 2^32 packets with one key
    /// (about 50 days at 1,000 packets per second). Change the key before that. A recorded packet can be sent
    /// again, and whoever has the key can claim to be any node.
    ///
    /// # Errors
    /// If the key does not have 32 bytes.
    pub fn authenticated(key: impl AsRef<[u8]>) -> Result<Self, EncryptionError> {
        Ok(Self(Arc::new(Mode::Sealed(Box::new(Sealed::new(key.as_ref())?)))))
    }

    fn block(
        cipher: Cipher,
        key: &[u8],
        iv: Option<[u8; 16]>,
        derived: bool,
    ) -> Result<Self, EncryptionError> {
        let wrong = || EncryptionError::KeyLength { cipher, expected: cipher.key_length(), got: key.len() };
        let block =
            Some(key).filter(|key| key.len() == cipher.key_length()).and_then(|key| Block::new(key, iv));
        Ok(Self(Arc::new(Mode::Block { block: block.ok_or_else(wrong)?, cipher, derived })))
    }
}

impl Layer for Encryption {
    fn name(&self) -> &'static str {
        "encryption"
    }

    fn outgoing(&self, next: WireFn) -> WireFn {
        let mode = Arc::clone(&self.0);
        Arc::new(move |kind, packet| next(kind, mode.encrypt(&packet)?))
    }

    fn incoming(&self, next: WireFn) -> WireFn {
        let mode = Arc::clone(&self.0);
        Arc::new(move |kind, packet| next(kind, mode.decrypt(&packet)?))
    }

    fn weakness(&self) -> Option<&'static str> {
        match &*self.0 {
            Mode::Block { derived: true, .. } => Some(
                "the key comes from a password by one round of MD5, and nothing is authenticated; \
                 between ligand nodes use Encryption::authenticated",
            ),
            Mode::Block { cipher, .. } if cipher.takes_iv() => Some(
                "one fixed IV makes equal packets look equal, and nothing is authenticated; \
                 between ligand nodes use Encryption::authenticated",
            ),
            Mode::Block { .. } => Some(
                "ECB makes equal blocks look equal, and nothing is authenticated; \
                 between ligand nodes use Encryption::authenticated",
            ),
            Mode::Sealed(_) => None,
        }
    }
}

/// Shows neither key nor IV.
impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Encryption");
        match &*self.0 {
            Mode::Block { cipher, derived, .. } => {
                shown.field("cipher", cipher).field("from_password", derived)
            }
            Mode::Sealed(_) => shown.field("cipher", &"Aes256Gcm"),
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
