//! AES in CBC and ECB with PKCS#7 padding. The output is that of OpenSSL's ciphers of these names.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::common::InnerInit as _;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _,
    KeyInit as _,
};
use aes::{Aes128, Aes192, Aes256};

/// A prepared key, and the IV of all packets. Without an IV the mode is ECB.
pub(super) struct Block {
    aes: Aes,
    iv: Option<[u8; 16]>,
}

/// Boxed, because a prepared key is large.
enum Aes {
    Bits128(Box<Aes128>),
    Bits192(Box<Aes192>),
    Bits256(Box<Aes256>),
}

impl Block {
    /// Returns `None` if no AES takes a key of this length.
    pub(super) fn new(key: &[u8], iv: Option<[u8; 16]>) -> Option<Self> {
        let aes = match key.len() {
            16 => Aes::Bits128(Box::new(Aes128::new_from_slice(key).ok()?)),
            24 => Aes::Bits192(Box::new(Aes192::new_from_slice(key).ok()?)),
            32 => Aes::Bits256(Box::new(Aes256::new_from_slice(key).ok()?)),
            _ => return None,
        };
        Some(Self { aes, iv })
    }

    pub(super) fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        match &self.aes {
            Aes::Bits128(aes) => encrypt(&**aes, self.iv.as_ref(), plain),
            Aes::Bits192(aes) => encrypt(&**aes, self.iv.as_ref(), plain),
            Aes::Bits256(aes) => encrypt(&**aes, self.iv.as_ref(), plain),
        }
    }

    /// Returns `None` if `secret` is not a number of whole blocks, or if the last block has no valid padding.
    pub(super) fn decrypt(&self, secret: &[u8]) -> Option<Vec<u8>> {
        match &self.aes {
            Aes::Bits128(aes) => decrypt(&**aes, self.iv.as_ref(), secret),
            Aes::Bits192(aes) => decrypt(&**aes, self.iv.as_ref(), secret),
            Aes::Bits256(aes) => decrypt(&**aes, self.iv.as_ref(), secret),
        }
    }
}

fn encrypt<C>(aes: &C, iv: Option<&[u8; 16]>, plain: &[u8]) -> Vec<u8>
where
    C: BlockCipherEncrypt<BlockSize = U16> + Clone,
{
    match iv {
        Some(iv) => cbc::Encryptor::inner_iv_init(aes.clone(), iv.into()).encrypt_padded_vec::<Pkcs7>(plain),
        None => ecb::Encryptor::inner_init(aes.clone()).encrypt_padded_vec::<Pkcs7>(plain),
    }
}

fn decrypt<C>(aes: &C, iv: Option<&[u8; 16]>, secret: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipherDecrypt<BlockSize = U16> + Clone,
{
    match iv {
        Some(iv) => {
            cbc::Decryptor::inner_iv_init(aes.clone(), iv.into()).decrypt_padded_vec::<Pkcs7>(secret).ok()
        }
        None => ecb::Decryptor::inner_init(aes.clone()).decrypt_padded_vec::<Pkcs7>(secret).ok(),
    }
}
