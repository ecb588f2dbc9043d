//! The addresses of servers: a list of URLs, with credentials that are never printed.

use std::fmt;
use url::Url;

use crate::TransportError;

/// One server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// The scheme as written, such as `nats` or `rediss`.
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// The part between the port and the query, without the first slash and with escapes decoded.
    pub(crate) path: Option<String>,
}

impl Server {
    /// A server on this host, for when no server is named.
    pub(crate) fn on_this_host(scheme: &str, port: u16) -> Self {
        Self {
            scheme: scheme.to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            user: None,
            password: None,
            path: None,
        }
    }

    /// `host:port`, an IPv6 host in brackets.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Prints no credentials.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.user.is_some() || self.password.is_some() { "***@" } else { "" };
        write!(f, "{}://{secret}{}", self.scheme, self.address())
    }
}

/// A list of servers as one URL without credentials: `nats://a:4222,b:4222`.
pub(crate) fn shown(servers: &[Server]) -> String {
    let Some((first, others)) = servers.split_first() else { return String::new() };
    let others = others.iter().map(|server| format!(",{}", server.address()));
    std::iter::once(first.to_string()).chain(others).collect()
}

/// A list of servers, and the options that follow the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Servers {
    pub(crate) list: Vec<Server>,
    /// The query: names and values, in the order in which they are written.
    pub(crate) options: Vec<(String, String)>,
}

/// The form of the URLs of one kind of server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// The name of the kind in messages, such as `NATS`.
    pub(crate) kind: &'static str,
    /// Schemes with their default ports. The first one applies to a server without a scheme.
    pub(crate) schemes: &'static [(&'static str, u16)],
    /// Characters that separate servers.
    pub(crate) separators: &'static [char],
}

impl Servers {
    /// Reads a list such as `nats://user:pass@a:4222,b:4222?option=value`.
    ///
    /// # Errors
    /// [`TransportError::Config`], without credentials in the message.
    pub(crate) fn parse(text: &str, form: Form) -> Result<Self, TransportError> {
        // The text is not printed, because a password may be anywhere in it.
        if text.trim_start().trim_start_matches('[').trim_start().starts_with('{') {
            let why = format!("a {} server is given as a URL, not as an object", form.kind);
            return Err(TransportError::Config(why));
        }
        let mut servers = Self::default();
        let (list, query) = text.split_once('?').unwrap_or((text, ""));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            servers.options.push((name.into_owned(), value.into_owned()));
        }
        let mut scheme = form.schemes[0].0.to_owned();
        for entry in list.split(form.separators).map(str::trim).filter(|entry| !entry.is_empty()) {
            if let Some((own, _)) = entry.split_once("://") {
                scheme = own.to_ascii_lowercase();
            }
            servers.list.push(server(entry, &scheme, form)?);
        }
        Ok(servers)
    }
}

fn server(entry: &str, scheme: &str, form: Form) -> Result<Server, TransportError> {
    let Some((_, default_port)) = form.schemes.iter().find(|(known, _)| *known == scheme) else {
        let known: Vec<_> = form.schemes.iter().map(|(known, _)| format!("{known}://")).collect();
        return Err(TransportError::Config(format!(
            "`{scheme}://` names no {} server: give {}",
            form.kind,
            known.join(", ")
        )));
    };
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let wrong = |why: &dyn fmt::Display| {
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        TransportError::Config(format!("`{scheme}://{host}` is no address of a {} server: {why}", form.kind))
    };
    // The parser does not know this scheme, so it does not remove a default port.
    let url = Url::parse(&format!("ligand-bus://{rest}")).map_err(|error| wrong(&error))?;
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("127.0.0.1");
    let decoded = |text: &str| percent_decoded(text).ok_or_else(|| wrong(&"its escapes are no UTF-8"));
    let path = url.path().strip_prefix('/').filter(|path| !path.is_empty());
    Ok(Server {
        scheme: scheme.to_owned(),
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port().unwrap_or(*default_port),
        user: Some(url.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?,
        password: url.password().map(decoded).transpose()?,
        path: path.map(decoded).transpose()?,
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    // The query parser also turns `+` into a blank, but a password may contain `+`.
    let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    let value = url::form_urlencoded::parse(pair.as_bytes()).next()?.1.into_owned();
    (!value.contains('\u{FFFD}')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { kind: "NATS", schemes: &[("nats", 4222), ("tls", 4222)], separators: &[','] };

    #[test]
    fn a_list_of_servers_with_credentials_and_options_is_read() {
        let text = "nats://us%40er:p+a%2Fss@a,b:4333,[::1]:4334/base?token=x%20y&maxHold=5s";
        let servers = Servers::parse(text, FORM).unwrap();
        let printed: Vec<_> = servers.list.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["nats://a:4222", "nats://b:4333", "nats://[::1]:4334"]);
        assert_eq!(shown(&servers.list), "nats://a:4222,b:4333,[::1]:4334");
        assert_eq!(shown(&[]), "");
        assert_eq!(servers.list[0].user.as_deref(), Some("us@er"));
        assert_eq!(servers.list[0].password.as_deref(), Some("p+a/ss"));
        assert_eq!(servers.list[2].path.as_deref(), Some("base"));
        assert_eq!(servers.options[0], ("token".to_owned(), "x y".to_owned()));
        assert_eq!(servers.options[1].0, "maxHold");
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for text in [
            "nats://user:canary@host:99999",
            "redis://user:canary@host",
            "nats://user:canary@[::1",
            r#"{"pass":"canary","host":"a"}"#,
            r#"[{"pass":"canary://","host":"a"}]"#,
        ] {
            let error = Servers::parse(text, FORM).unwrap_err().to_string();
            assert!(!error.contains("canary") && error.contains("NATS server"), "{error}");
        }
        let servers = Servers::parse("nats://user:canary@host", FORM).unwrap();
        assert!(!format!("{servers:?} {}", servers.list[0]).contains("canary"));
    }

    #[test]
    fn an_empty_list_is_the_default_server() {
        assert_eq!(Servers::parse("nats://", FORM).unwrap().list[0].to_string(), "nats://127.0.0.1:4222");
    }
}
