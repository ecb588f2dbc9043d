//! Compares the content of two INFOs.
//!
//!
//! An INFO travels in the serializer of the cluster and may come back as different bytes: members may be in
//! another order, and 2.0 may become 2. `ver` and `sender` are not part of the content.

use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher};

/// Equal for INFOs with the same content. `None` for an INFO that cannot be read.
pub(super) fn fingerprint(info: &[u8]) -> Option<u64> {
    match serde_json::from_slice(info).ok()? {
        Value::Object(mut members) => {
            members.retain(|name, _| name != "ver" && name != "sender");
            Some(of(&Value::Object(members)))
        }
        _ => None,
    }
}

fn of(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(flag) => (1_u8, flag).hash(&mut hasher),
        // Adding 0 turns -0 into 0.
        Value::Number(number) => (2_u8, number.as_f64().map(|n| (n + 0.0).to_bits())).hash(&mut hasher),
        Value::String(text) => (3_u8, text).hash(&mut hasher),
        Value::Array(elements) => {
            4_u8.hash(&mut hasher);
            elements.iter().for_each(|element| of(element).hash(&mut hasher));
        }
        Value::Object(members) => {
            // A sum does not depend on the order of its terms.
            let sum = members.iter().fold(0_u64, |sum, (name, value)| {
                let mut member = DefaultHasher::new();
                (name, of(value)).hash(&mut member);
                sum.wrapping_add(member.finish())
            });
            (5_u8, members.len(), sum).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(info: &str) -> u64 {
        fingerprint(info.as_bytes()).unwrap()
    }

    #[test]
    fn order_and_the_way_numbers_are_written_do_not_matter_and_all_else_does() {
        let said = r#"{"seq":2,"services":[{"name":"a","max":-0.0},[]],"config":{"x":1e2,"y":null}}"#;
        for same in [
            r#"{"ver":"5","services":[{"max":0,"name":"a"},[]],"config":{"y":null,"x":100},"seq":2.0,"sender":"n"}"#,
            said,
        ] {
            assert_eq!(print(same), print(said), "{same}");
        }
        for other in [
            r#"{"seq":3,"services":[{"name":"a","max":0},[]],"config":{"x":100,"y":null}}"#,
            r#"{"seq":2,"services":[[],{"name":"a","max":0}],"config":{"x":100,"y":null}}"#,
            r#"{"seq":2,"services":[{"name":"a","max":0},{}],"config":{"x":100,"y":null}}"#,
            r#"{"seq":2,"services":[{"name":"a","max":0},[]],"config":{"x":100,"y":false}}"#,
            r#"{"seq":2,"services":[{"name":"a","max":"0"},[]],"config":{"x":100,"y":null}}"#,
            r#"{"seq":2,"services":[],"config":{"x":100,"y":null}}"#,
            r#"{"seq":2}"#,
        ] {
            assert_ne!(print(other), print(said), "{other}");
        }
        assert_eq!((fingerprint(b"[]"), fingerprint(b"{")), (None, None));
    }
}
