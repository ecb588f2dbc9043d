//! OpenSSL's old way to derive a key from a password.

use md5::{Digest, Md5};

/// The longest key, and the IV.
const LENGTH: usize = 32 + 16;

/// `EVP_BytesToKey` with MD5, one round and no salt. Each block of output is the digest of the block before
/// it and the password. The output begins with the key; the IV follows.
pub(super) fn bytes_to_key(password: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(LENGTH);
    let mut last: Option<[u8; 16]> = None;
    while out.len() < LENGTH {
        let mut digest = Md5::new();
        if let Some(last) = last {
            digest.update(last);
        }
        digest.update(password);
        let block: [u8; 16] = digest.finalize().into();
        out.extend_from_slice(&block);
        last = Some(block);
    }
    out
}
