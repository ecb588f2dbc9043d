//! Errors about a key, an IV or a cipher.

use super::Cipher;

/// Why an [`Encryption`](super::Encryption) cannot be made. It never contains a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionError {
    /// The key does not fit the cipher.
    #[error("{cipher} takes a key of {expected} bytes, this one has {got}")]
    KeyLength {
        /// The cipher.
        cipher: Cipher,
        /// How many bytes it takes.
        expected: usize,
        /// How many were given.
        got: usize,
    },
    /// The key does not fit the authenticated mode.
    #[error("the authenticated mode takes a key of 32 bytes, this one has {got}")]
    AuthenticatedKeyLength {
        /// How many bytes were given.
        got: usize,
    },
    /// The IV does not fit the cipher.
    #[error("{cipher} takes an IV of 16 bytes, this one has {got}")]
    IvLength {
        /// The cipher.
        cipher: Cipher,
        /// How many bytes were given.
        got: usize,
    },
    /// The cipher needs an IV.
    #[error(
        "{cipher} needs an IV of 16 bytes: use `Encryption::with_iv`, or `Encryption::password` for what \
         Moleculer 0.14 does without one"
    )]
    IvMissing {
        /// The cipher.
        cipher: Cipher,
    },
    /// The cipher takes no IV.
    #[error("{cipher} takes no IV: use `Encryption::without_iv`")]
    IvUnwanted {
        /// The cipher.
        cipher: Cipher,
    },
    /// The password is empty.
    #[error("the password is empty")]
    NoPassword,
    /// The name is not that of a supported cipher.
    #[error(
        "no cipher is named `{name}`; there are aes-128-cbc, aes-192-cbc, aes-256-cbc, and the same with ecb"
    )]
    UnknownCipher {
        /// The name.
        name: String,
    },
}
