//! The OpenSSL ciphers that are used with Node's middleware.

use std::fmt;
use std::str::FromStr;

use super::EncryptionError;

/// A cipher. [`Display`](fmt::Display) and [`FromStr`] use OpenSSL's names, such as `aes-256-cbc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cipher {
    /// `aes-128-cbc`: a key of 16 bytes, an IV of 16 bytes.
    Aes128Cbc,
    /// `aes-192-cbc`: a key of 24 bytes, an IV of 16 bytes.
    Aes192Cbc,
    /// `aes-256-cbc`, Node's default: a key of 32 bytes, an IV of 16 bytes.
    Aes256Cbc,
    /// `aes-128-ecb`: a key of 16 bytes.
    Aes128Ecb,
    /// `aes-192-ecb`: a key of 24 bytes.
    Aes192Ecb,
    /// `aes-256-ecb`: a key of 32 bytes.
    Aes256Ecb,
}

impl Cipher {
    pub(super) const ALL: [Self; 6] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Ecb,
        Self::Aes192Ecb,
        Self::Aes256Ecb,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes-128-cbc",
            Self::Aes192Cbc => "aes-192-cbc",
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Aes128Ecb => "aes-128-ecb",
            Self::Aes192Ecb => "aes-192-ecb",
            Self::Aes256Ecb => "aes-256-ecb",
        }
    }

    /// The length of the key, in bytes.
    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Ecb => 16,
            Self::Aes192Cbc | Self::Aes192Ecb => 24,
            Self::Aes256Cbc | Self::Aes256Ecb => 32,
        }
    }

    pub(super) const fn takes_iv(self) -> bool {
        matches!(self, Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc)
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cipher {
    type Err = EncryptionError;

    /// Upper and lower case are the same, as in OpenSSL.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|cipher| cipher.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| EncryptionError::UnknownCipher { name: name.to_owned() })
    }
}
