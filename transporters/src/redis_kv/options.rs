//! The server and the credentials: a URL, or options of `ioredis`.

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};
use serde_json::{Map, Value};
use std::fmt;

use crate::TransportError;
use crate::bus::{Form, Servers, TlsOptions};
use crate::options;

const FORM: Form = Form { kind: "Redis", schemes: &[("redis", 6379), ("rediss", 6379)], separators: &[','] };

/// The names of the options in an object.
const NAMES: [&str; 7] = ["host", "port", "username", "password", "db", "url", "tls"];

#[derive(Clone)]
pub(super) struct RedisKvOptions {
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<String>,
    db: i64,
    /// `None` means no TLS.
    tls: Option<TlsOptions>,
}

impl Default for RedisKvOptions {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 6379, username: None, password: None, db: 0, tls: None }
    }
}

impl RedisKvOptions {
    pub(super) fn read(redis: &Value) -> Result<Self, TransportError> {
        match redis {
            Value::Null => Ok(Self::default()),
            Value::String(url) => Self::from_url(url),
            Value::Object(options) => Self::from_options(options),
            _ => Err(TransportError::Config(
                "`redis` has a wrong value: give a URL such as redis://host:6379/0, or an object".to_owned(),
            )),
        }
    }

    fn from_url(url: &str) -> Result<Self, TransportError> {
        let servers = Servers::parse(url, FORM)?;
        let [server] = &*servers.list else {
            return Err(TransportError::Config(
                "give one Redis server: the discoverer knows neither lists nor clusters".to_owned(),
            ));
        };
        let mut options = Self {
            host: server.host.clone(),
            port: server.port,
            username: server.user.clone(),
            password: server.password.clone(),
            tls: (server.scheme == "rediss").then(TlsOptions::default),
            ..Self::default()
        };
        if let Some(path) = &server.path {
            options.db = number(path, "the path of the URL")?;
        }
        for (name, value) in &servers.options {
            match name.as_str() {
                "db" => options.db = number(value, "db")?,
                name if name.starts_with("tls.") => options.set_tls(name, value)?,
                name => return Err(unknown(name)),
            }
        }
        Ok(options)
    }

    fn from_options(given: &Map<String, Value>) -> Result<Self, TransportError> {
        let mut options = match given.get("url").and_then(Value::as_str) {
            Some(url) => Self::from_url(url)?,
            None => Self::default(),
        };
        for (name, value) in given {
            let text = || match value {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                _ => Err(TransportError::Config(format!("`redis.{name}` has a wrong value: give a text"))),
            };
            match name.as_str() {
                "url" => {
                    text()?;
                }
                _ if value.is_null() => {}
                "host" => options.host = text()?,
                "port" => options.port = number(&text()?, "redis.port")?,
                "username" => options.username = Some(text()?),
                "password" => options.password = Some(text()?),
                "db" => options.db = number(&text()?, "redis.db")?,
                "tls" => match value {
                    Value::Object(tls) => {
                        options.tls.get_or_insert_default();
                        for (name, value) in tls {
                            let value = match value {
                                Value::String(text) => text.clone(),
                                other => other.to_string(),
                            };
                            options.set_tls(&format!("tls.{name}"), &value)?;
                        }
                    }
                    Value::Bool(true) => {
                        options.tls.get_or_insert_default();
                    }
                    Value::Bool(false) => options.tls = None,
                    _ => {
                        let text = "`redis.tls` has a wrong value: give true, false or an object";
                        return Err(TransportError::Config(text.to_owned()));
                    }
                },
                name => return Err(unknown(name)),
            }
        }
        Ok(options)
    }

    fn set_tls(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        let set = options::try_set(self.tls.get_or_insert_default(), name, value);
        set.unwrap_or_else(|| Err(unknown(name)))
    }

    /// Makes the client that connects.
    pub(super) fn client(&self) -> Result<Client, TransportError> {
        let wrong = |error: redis::RedisError| TransportError::Config(format!("{self}: {error}"));
        let mut login = RedisConnectionInfo::default().set_db(self.db);
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        let plain = ConnectionAddr::Tcp(self.host.clone(), self.port);
        let info: ConnectionInfo = plain.into_connection_info().map_err(wrong)?.set_redis_settings(login);
        match &self.tls {
            None => Client::open(info).map_err(wrong),
            Some(tls) => self.secured(info, tls),
        }
    }

    #[cfg(feature = "redis-tls")]
    fn secured(&self, info: ConnectionInfo, tls: &TlsOptions) -> Result<Client, TransportError> {
        // The client uses the provider of the process. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if tls.dangerous_accept_any_certificate {
            return Err(TransportError::Config(
                "the discoverer's TLS always verifies: name the CA by `tls.caFile`".to_owned(),
            ));
        }
        let read = |file: &Option<String>| {
            file.as_ref()
                .map(|file| {
                    std::fs::read(file)
                        .map_err(|error| TransportError::Config(format!("TLS: cannot read {file}: {error}")))
                })
                .transpose()
        };
        let client_tls = match (read(&tls.certificate_file)?, read(&tls.key_file)?) {
            (Some(client_cert), Some(client_key)) => Some(redis::ClientTlsConfig { client_cert, client_key }),
            _ => None,
        };
        let certificates = redis::TlsCertificates { client_tls, root_cert: read(&tls.ca_file)? };
        let addr = ConnectionAddr::TcpTls {
            host: self.host.clone(),
            port: self.port,
            insecure: false,
            tls_params: None,
        };
        Client::build_with_tls(info.set_addr(addr), certificates)
            .map_err(|error| TransportError::Config(format!("{self}: {error}")))
    }

    #[cfg(not(feature = "redis-tls"))]
    fn secured(&self, _info: ConnectionInfo, _tls: &TlsOptions) -> Result<Client, TransportError> {
        Err(TransportError::Config(format!(
            "{self} needs TLS, which is not compiled in: enable the feature `redis-tls` of ligand"
        )))
    }
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, TransportError> {
    text.parse().map_err(|_| TransportError::Config(format!("{name} has a wrong value: give a number")))
}

fn unknown(name: &str) -> TransportError {
    TransportError::Config(format!("`redis` has no option `{name}`: it has {}", NAMES.join(", ")))
}

/// Without credentials.
impl fmt::Display for RedisKvOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}/{}", self.host, self.port, self.db)
        } else {
            write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.db)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: &Value) -> String {
        match RedisKvOptions::read(value) {
            Ok(options) => options.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn both_forms_of_node_are_read() {
        assert_eq!(shown(&json!(null)), "redis://127.0.0.1:6379/0");
        assert_eq!(shown(&json!("redis://")), "redis://127.0.0.1:6379/0");
        assert_eq!(shown(&json!("redis://u:p@host:7000/3")), "redis://host:7000/3");
        assert_eq!(shown(&json!("rediss://host?tls.caFile=ca.pem")), "rediss://host:6379/0");
        let options = json!({ "host": "::1", "port": 7000, "password": "p", "db": 2 });
        assert_eq!(shown(&options), "redis://[::1]:7000/2");
        assert_eq!(shown(&json!({ "tls": { "caFile": "ca.pem" } })), "rediss://127.0.0.1:6379/0");
        let read = RedisKvOptions::read(&json!("redis://u:p%40ss@host")).unwrap();
        assert_eq!((read.username.as_deref(), read.password.as_deref()), (Some("u"), Some("p@ss")));
    }

    #[test]
    fn what_is_not_known_is_named_and_secrets_are_not() {
        assert!(shown(&json!({ "keyPrefix": "x" })).contains("no option `keyPrefix`"));
        assert!(shown(&json!("redis://host?timeout=5")).contains("no option `timeout`"));
        assert!(shown(&json!("redis://a,b")).contains("one Redis server"));
        for wrong in [
            json!("redis://u:canary@host/x"),
            json!("http://u:canary@host"),
            json!({ "password": "canary", "port": "x" }),
            json!({ "password": ["canary"] }),
            json!(5),
        ] {
            let error = RedisKvOptions::read(&wrong).err().map(|error| error.to_string()).unwrap();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
