//! Known answers, lengths that are named, and packets that are not ours.

use proptest::prelude::*;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IV: &str = "fedcba9876543210";

fn key(cipher: Cipher) -> &'static str {
    &KEY[..cipher.key_length()]
}

/// Each cipher with the key as it is and from a password, and the authenticated mode.
fn all() -> Vec<Encryption> {
    let block = Cipher::ALL.into_iter().flat_map(|cipher| {
        let plain = if cipher.takes_iv() {
            Encryption::with_iv(cipher, key(cipher), IV)
        } else {
            Encryption::without_iv(cipher, key(cipher))
        };
        [plain.unwrap(), Encryption::password(cipher, "a password").unwrap()]
    });
    block.chain([Encryption::authenticated(KEY).unwrap()]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn passwords_become_the_keys_that_openssl_makes_of_them() {
    // openssl enc -aes-256-cbc -md md5 -nosalt -P -pass pass:secret
    assert_eq!(
        hex(&derive::bytes_to_key(b"secret")),
        "5ebe2294ecd0e0f08eab7690d2a6ee6926ae5cc854e36b6bdfca366848dea6bbe8c80b4b831fbb64b0d5c6c8499e541a"
    );
}

#[test]
fn lengths_that_do_not_fit_are_named() {
    let text = |made: Result<Encryption, EncryptionError>| made.unwrap_err().to_string();
    assert_eq!(
        text(Encryption::with_iv(Cipher::Aes256Cbc, "short", IV)),
        "aes-256-cbc takes a key of 32 bytes, this one has 5"
    );
    assert_eq!(
        text(Encryption::with_iv(Cipher::Aes128Cbc, KEY, IV)),
        "aes-128-cbc takes a key of 16 bytes, this one has 32"
    );
    assert_eq!(
        text(Encryption::with_iv(Cipher::Aes256Cbc, KEY, "short")),
        "aes-256-cbc takes an IV of 16 bytes, this one has 5"
    );
    assert_eq!(
        text(Encryption::without_iv(Cipher::Aes192Ecb, "")),
        "aes-192-ecb takes a key of 24 bytes, this one has 0"
    );
    assert_eq!(
        text(Encryption::authenticated("short")),
        "the authenticated mode takes a key of 32 bytes, this one has 5"
    );
    assert!(text(Encryption::without_iv(Cipher::Aes256Cbc, KEY)).contains("Encryption::password"));
    assert!(text(Encryption::with_iv(Cipher::Aes256Ecb, KEY, IV)).contains("takes no IV"));
    assert_eq!(text(Encryption::password(Cipher::Aes256Cbc, "")), "the password is empty");
}

#[test]
fn ciphers_are_known_by_the_names_of_openssl() {
    for cipher in Cipher::ALL {
        assert_eq!(cipher.to_string().parse(), Ok(cipher));
        assert_eq!(cipher.to_string().to_uppercase().parse(), Ok(cipher));
    }
    let error = "aes-256-gcm".parse::<Cipher>().unwrap_err();
    assert!(error.to_string().contains("`aes-256-gcm`"), "{error}");
}

#[test]
fn keys_are_not_shown() {
    for layer in all() {
        let shown = format!("{layer:?}");
        assert!(["0123", "fedc", "a password"].iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}

#[test]
fn all_but_the_authenticated_mode_tell_their_weakness() {
    let told: Vec<_> = all().iter().map(|layer| layer.weakness().is_some()).collect();
    assert_eq!(told.iter().filter(|told| !**told).count(), 1);
    assert_eq!(told.last(), Some(&false));
}

#[test]
fn the_authenticated_mode_refuses_what_was_altered_or_cut() {
    let layer = Encryption::authenticated(KEY).unwrap();
    let sealed = layer.0.encrypt(b"a packet").unwrap();
    assert_eq!((sealed[0], sealed.len()), (1, 1 + 12 + 8 + 16));
    assert_ne!(sealed, layer.0.encrypt(b"a packet").unwrap(), "nonces differ");
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut altered = sealed.to_vec();
            altered[at] ^= 1 << bit;
            layer.0.decrypt(&altered).unwrap_err();
        }
        layer.0.decrypt(&sealed[..at]).unwrap_err();
    }
    let other = Encryption::authenticated(KEY.replace('0', "1")).unwrap();
    other.0.decrypt(&sealed).unwrap_err();
    assert_eq!(layer.0.decrypt(&sealed).unwrap(), "a packet");
}

proptest! {
    #[test]
    fn packets_come_back_as_they_went(packet in prop::collection::vec(any::<u8>(), 0..2000)) {
        let packet = Bytes::from(packet);
        for layer in all() {
            let sent = layer.0.encrypt(&packet)?;
            prop_assert_ne!(&sent, &packet);
            prop_assert_eq!(layer.0.decrypt(&sent)?, &packet);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(packet in prop::collection::vec(any::<u8>(), 0..200)) {
        let packet = Bytes::from(packet);
        for layer in all() {
            if let Ok(read) = layer.0.decrypt(&packet) {
                prop_assert!(read.len() < packet.len());
            }
        }
    }
}
