//! AES-256-GCM with a nonce per packet. A packet is one byte of version, the nonce, the encrypted bytes and
//! the tag.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use rand::Rng as _;

use super::EncryptionError;

/// The version of this format. Another format would begin with another byte.
const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

pub(super) struct Sealed(Aes256Gcm);

impl Sealed {
    pub(super) fn new(key: &[u8]) -> Result<Self, EncryptionError> {
        let cipher = Aes256Gcm::new_from_slice(key);
        let wrong = |_| EncryptionError::AuthenticatedKeyLength { got: key.len() };
        Ok(Self(cipher.map_err(wrong)?))
    }

    /// Returns `None` if the packet is longer than the cipher takes, which is 64 GiB.
    pub(super) fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let mut out = Vec::with_capacity(plain.len().saturating_add(1 + NONCE + TAG));
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let body = out.get_mut(1 + NONCE..)?;
        let tag = self.0.encrypt_inout_detached(&nonce.into(), &[VERSION], body.into()).ok()?;
        out.extend_from_slice(&tag);
        Some(out)
    }

    /// Returns `None` if the packet was not sealed with this key.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (body, tag) = rest.split_last_chunk::<TAG>()?;
        let mut body = body.to_vec();
        let opened =
            self.0.decrypt_inout_detached(nonce.into(), &[VERSION], body.as_mut_slice().into(), tag.into());
        opened.ok().map(|()| body)
    }
}
