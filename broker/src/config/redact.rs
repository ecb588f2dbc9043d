//! Removes secrets from everything that is printed.

use serde_json::{Map, Value};

const MASK: &str = "***";

/// Parts of names, in lower case. Values with such a name are never printed.
const SECRET_NAMES: &[&str] =
    &["pass", "pwd", "secret", "token", "cred", "auth", "nkey", "seed", "jwt", "apikey", "accesskey"];

/// The URL without user name, password and secret query parameters, for logs and errors.
///
///
/// Everything between `://` and the last `@` becomes `***`. A password that is not percent-encoded may
/// contain `/`, `?` or `,`, so only the last `@` is a safe end. In doubt, a host is hidden rather than a part
/// of a password shown.
#[must_use]
pub fn redact(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (Some(scheme), rest),
        _ => (None, url),
    };
    let mut clean = String::with_capacity(url.len());
    if let Some(scheme) = scheme {
        clean.push_str(scheme);
        clean.push_str("://");
    }
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => {
            clean.push_str(MASK);
            clean.push('@');
            rest
        }
        None => rest,
    };
    let Some((place, query)) = rest.split_once('?') else {
        clean.push_str(rest);
        return clean;
    };
    clean.push_str(place);
    for (index, pair) in query.split('&').enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                clean.push_str(name);
                clean.push('=');
                clean.push_str(MASK);
            }
            _ => clean.push_str(pair),
        }
    }
    clean
}

/// The options of a transporter without secrets. Values whose name indicates a secret are masked. Other texts
/// go through [`redact`].
pub(super) fn redact_map(options: &Map<String, Value>) -> Map<String, Value> {
    options.iter().map(|(name, value)| (name.clone(), redact_value(value, is_secret(name)))).collect()
}

fn redact_value(value: &Value, secret: bool) -> Value {
    match value {
        Value::String(_) | Value::Number(_) if secret => Value::from(MASK),
        Value::String(text) => Value::from(redact(text)),
        Value::Array(items) => items.iter().map(|item| redact_value(item, secret)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), redact_value(value, secret || is_secret(name))))
            .collect(),
        other => other.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    let name: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    name == "key" || name.ends_with("privatekey") || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn user_info_never_survives() {
        for (url, clean) in [
            ("tcp://", "tcp://"),
            ("TCP", "TCP"),
            ("nats://localhost:4222", "nats://localhost:4222"),
            ("nats://user:pa55@localhost:4222", "nats://***@localhost:4222"),
            ("nats://t0ken@localhost", "nats://***@localhost"),
            ("amqp://u:p@ss/w?rd@host/vhost", "amqp://***@host/vhost"),
            ("u:p@host", "***@host"),
            ("u://x:p@host", "u://***@host"),
            ("me@x://p@host", "***@host"),
            ("redis://:pa55@h:6379/0?db=1", "redis://***@h:6379/0?db=1"),
            ("kafka://h?user=u&saslPassword=pa55&acks=1", "kafka://h?user=u&saslPassword=***&acks=1"),
            ("nats://a:b@h1,nats://c:d@h2", "nats://***@h2"),
        ] {
            assert_eq!(redact(url), clean, "{url}");
        }
    }

    #[test]
    fn options_named_like_secrets_are_masked_at_any_depth() {
        let options = json!({
            "port": 1, "keepAlive": true, "pass": "pa55", "password": 1234, "requireAuth": true,
            "urls": ["nats://u:pa55@h"], "auth": { "user": "u", "again": ["pa55"] },
            "tls": { "private_key": "pa55", "ca": "file.pem" },
        });
        let Value::Object(options) = options else { unreachable!("written above") };
        assert_eq!(
            Value::Object(redact_map(&options)),
            json!({
                "port": 1, "keepAlive": true, "pass": "***", "password": "***", "requireAuth": true,
                "urls": ["nats://***@h"], "auth": { "user": "***", "again": ["***"] },
                "tls": { "private_key": "***", "ca": "file.pem" },
            })
        );
    }
}
