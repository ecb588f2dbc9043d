//! Names of options, as they are written and as environment variables spell them.

/// Whether `name` means `option`: either exactly, or as an environment variable spells it.
///
/// `LIGAND_TRANSPORTER__OPTIONS__UDP_MULTICAST_TTL` arrives as `udpMulticastTtl`. A variable does not tell
/// upper from lower case, so each word has a capital at its beginning and nowhere else.
pub(super) fn is(name: &str, option: &str) -> bool {
    name == option || (is_from_a_variable(name) && words(name) == words(option))
}

fn is_from_a_variable(name: &str) -> bool {
    !name.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase))
}

/// `udpMulticastTTL` as `udp_multicast_ttl`.
pub(super) fn words(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut words = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let behind_a_word = before.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit());
        let begins_one =
            before.is_some_and(|c| c.is_uppercase()) && letters.get(at + 1).is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (behind_a_word || begins_one) {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The fixed part of a name with a free end, such as `queueOptions.<name>`.
pub(super) fn open(option: &str) -> Option<&str> {
    option.strip_suffix("<name>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_to_the_letter_or_by_its_words() {
        assert_eq!(words("enableTLSForSentinelMode"), "enable_tls_for_sentinel_mode");
        assert_eq!(words("tls.caFile"), "tls.ca_file");
        assert!(is("udpMulticastTtl", "udpMulticastTTL"));
        assert!(is("enableTlsForSentinelMode", "enableTLSForSentinelMode"));
        assert!(!is("clientID", "clientId") && !is("udpport", "udpPort"));
    }
}
