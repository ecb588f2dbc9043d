//! Options of the NATS transporter, under the names of Node's clients.

use std::fmt;
use std::time::Duration;

use crate::TransportError;
use crate::bus::{self, BusLimits, Expected, Form, OptionText, Server, Servers, TlsOptions};

/// What the URLs look like.
const FORM: Form = Form { kind: "NATS", schemes: &[("nats", 4222), ("tls", 4222)], separators: &[',', ';'] };

/// Options of the NATS transporter.
///
/// [`NatsOptions::set`] understands each by the name given in parentheses, as it stands in the query of a
/// URL or in a configuration file. The way to say who asks is the first that is there of `user_creds`,
/// `nkey`, `token`, `user` with `pass`, and what stands in the URL.
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsOptions {
    servers: Vec<Server>,
    /// Port of the server on this host, where none is named (`port`, default 4222).
    pub port: u16,
    /// User (`user`).
    pub user: Option<String>,
    /// Password of that user (`pass`).
    pub pass: Option<String>,
    /// Token (`token`), which may also stand in the place of a user without a password in the URL.
    pub token: Option<String>,
    /// Seed of an NKEY (`nkey`): `SU…`.
    pub nkey: Option<String>,
    /// File with a JWT and the seed of its NKEY (`userCreds`).
    pub user_creds: Option<String>,
    /// Under which the server lists this node (`name`, default its node id).
    pub name: Option<String>,
    /// How subjects begin that a node sends itself messages by (`inboxPrefix`, default `_INBOX`).
    pub inbox_prefix: Option<String>,
    /// Time between pings (`pingInterval`, default 1.5 s); at the third without an answer the connection is
    /// given up. At most three tenths of the time for which frames may be held ([`BusLimits::max_hold`]).
    pub ping_interval: Duration,
    /// TLS is required even where the URL does not say so (`tls`).
    pub require_tls: bool,
    /// TLS starts before the server has said anything (`tls.handshakeFirst`, default false).
    pub tls_first: bool,
    /// Certificates.
    pub tls: TlsOptions,
    /// Bounds of queues and waits.
    pub limits: BusLimits,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            port: 4222,
            user: None,
            pass: None,
            token: None,
            nkey: None,
            user_creds: None,
            name: None,
            inbox_prefix: None,
            ping_interval: Duration::from_millis(1500),
            require_tls: false,
            tls_first: false,
            tls: TlsOptions::default(),
            limits: BusLimits::default(),
        }
    }
}

impl NatsOptions {
    /// Adds servers: `nats://user:pass@host:port,host:port`, or an address without a scheme. Options may
    /// follow behind a `?`.
    ///
    /// # Errors
    /// [`TransportError::Config`] when it is no such list, or an option is wrong.
    pub fn add_servers(&mut self, list: &str) -> Result<(), TransportError> {
        let Servers { list, options } = Servers::parse(list, FORM)?;
        self.servers.extend(list);
        for (name, value) in options {
            OptionText::set(self, &name, &value)?;
        }
        Ok(())
    }

    /// Sets an option by its name. Objects have their keys joined by dots: `tls.caFile`. A time without a
    /// unit is in milliseconds.
    ///
    /// # Errors
    /// [`TransportError::Config`] when there is no such option, or the value does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        match name {
            "url" | "servers" => self.add_servers(value),
            _ => OptionText::set(self, name, value),
        }
    }

    /// The servers, in the order in which they are tried; credentials are not printed with them.
    pub(super) fn servers(&self) -> Vec<Server> {
        if self.servers.is_empty() {
            vec![Server {
                scheme: "nats".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: self.port,
                user: None,
                password: None,
                path: None,
            }]
        } else {
            self.servers.clone()
        }
    }

    /// User and password for a server; a token where there is no password.
    pub(super) fn login(&self, server: &Server) -> Option<(String, Option<String>)> {
        if let Some(user) = &self.user {
            return Some((user.clone(), Some(self.pass.clone().unwrap_or_default())));
        }
        // As in Node, what one URL says is good for all.
        let named = |server: &&Server| server.user.is_some();
        let server = Some(server).filter(named).or_else(|| self.servers.iter().find(named))?;
        Some((server.user.clone()?, server.password.clone()))
    }

    /// Whether TLS is used whatever the URL and the server say.
    pub(super) fn wants_tls(&self) -> bool {
        self.require_tls || self.tls_first || self.tls != TlsOptions::default()
    }

    /// Checks what depends on more than one option.
    pub(super) fn validate(&self) -> Result<(), TransportError> {
        let wrong = |why: &str| Err(TransportError::Config(format!("the NATS transporter: {why}")));
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            return wrong("give both `tls.certFile` and `tls.keyFile`, or neither");
        }
        if self.pass.is_some() && self.user.is_none() {
            return wrong("`pass` is nobody's password: give `user` too");
        }
        if self.nkey.as_ref().is_some_and(|seed| !seed.starts_with("SU")) {
            return wrong("`nkey` takes the seed of a user, which begins with SU");
        }
        Ok(())
    }
}

/// Without credentials.
impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |text: &Option<String>| text.as_ref().map(|_| "***");
        f.debug_struct("NatsOptions")
            .field("servers", &self.servers())
            .field("user", &self.user)
            .field("pass", &secret(&self.pass))
            .field("token", &secret(&self.token))
            .field("nkey", &secret(&self.nkey))
            .field("user_creds", &self.user_creds)
            .field("name", &self.name)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("ping_interval", &self.ping_interval)
            .field("require_tls", &self.require_tls)
            .field("tls_first", &self.tls_first)
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .finish()
    }
}

const FUNCTION: &str = "`user` and `pass`, `token`, `nkey` or `userCreds` instead of a function";
const PEM: &str = "a file, by `tls.caFile`, `tls.certFile` or `tls.keyFile`";
const FOREVER: &str = "a lost connection is restored for ever, after waits of 50 ms to 5 s";

impl OptionText for NatsOptions {
    const KIND: &'static str = "NATS";

    const NAMES: &'static [&'static str] = &[
        "url",
        "servers",
        "port",
        "user",
        "pass",
        "token",
        "nkey",
        "userCreds",
        "name",
        "inboxPrefix",
        "pingInterval",
        "timeout",
        "tls",
        "tls.handshakeFirst",
        "tls.caFile",
        "tls.certFile",
        "tls.keyFile",
        "tls.dangerousAcceptAnyCertificate",
    ];

    const IGNORED: &'static [(&'static str, &'static str)] = &[
        ("debug", "set a log level instead"),
        ("encoding", "packets are bytes"),
        ("ignoreAuthErrorAbort", FOREVER),
        ("json", "packets are bytes"),
        ("maxPingOut", "the third ping without an answer ends a connection"),
        ("noAsyncTraces", "it is about stack traces of Node.js"),
        ("reconnectJitter", FOREVER),
        ("reconnectJitterTLS", FOREVER),
        ("reconnectTimeWait", FOREVER),
        ("resolve", "all addresses of a host are tried"),
        ("useOldRequestStyle", "no requests of NATS are used"),
        ("waitOnFirstConnect", "the node's connectTimeout says how long it waits"),
        ("yieldTime", "it is about the event loop of Node.js"),
    ];

    fn limits(&mut self) -> &mut BusLimits {
        &mut self.limits
    }

    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        Some(match name {
            "port" => bus::parsed(value, "a port").map(|port| self.port = port),
            "user" => put(&mut self.user, value),
            "pass" => put(&mut self.pass, value),
            "token" => put(&mut self.token, value),
            "nkey" => put(&mut self.nkey, value),
            "userCreds" => put(&mut self.user_creds, value),
            "name" => put(&mut self.name, value),
            "inboxPrefix" => put(&mut self.inbox_prefix, value),
            "pingInterval" => bus::milliseconds(value).map(|time| self.ping_interval = time),
            "timeout" => bus::milliseconds(value).map(|time| self.limits.connect_timeout = time),
            "tls" => bus::flag(value).map(|on| self.require_tls = on),
            "tls.handshakeFirst" => bus::flag(value).map(|on| self.tls_first = on),
            "tls.ca" | "tls.cert" | "tls.key" => Err(PEM),
            "authenticator" | "nonceSigner" | "tokenHandler" | "userJWT" => Err(FUNCTION),
            "reconnectDelayHandler" => Err("nothing: waits are not set by a function"),
            "noEcho" => fixed(value, false, "false: a node sends packets to itself, too"),
            "verbose" => fixed(value, false, "false: answers to everything are of no use"),
            "pedantic" => fixed(value, false, "false: Moleculer's topics may hold wildcards"),
            "maxReconnectAttempts" if value == "-1" => Ok(()),
            "maxReconnectAttempts" => moot(name, FOREVER),
            "reconnect" if value == "true" => Ok(()),
            "reconnect" => moot(name, FOREVER),
            "noRandomize" if value == "true" => Ok(()),
            "noRandomize" => moot(name, "servers are tried in the order given"),
            "ignoreClusterUpdates" if value == "true" => Ok(()),
            "ignoreClusterUpdates" => moot(name, "only the servers given are used"),
            "preserveBuffers" if value == "true" => Ok(()),
            "preserveBuffers" => moot(name, "packets are bytes"),
            _ => return self.tls.set(name, value),
        })
    }
}

fn put(option: &mut Option<String>, value: &str) -> Result<(), Expected> {
    *option = Some(value.to_owned()).filter(|value| !value.is_empty());
    Ok(())
}

/// An option that has one good value.
fn fixed(value: &str, good: bool, expected: Expected) -> Result<(), Expected> {
    if bus::flag(value)? == good { Ok(()) } else { Err(expected) }
}

/// An option that changes nothing.
fn moot(name: &str, why: &str) -> Result<(), Expected> {
    tracing::warn!(transporter = "NATS", option = name, "an option has no effect here: {why}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::Nats;

    fn options(url: &str) -> NatsOptions {
        Nats::from_url(url).unwrap().options().clone()
    }

    fn wrong(url: &str) -> String {
        Nats::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_lists_servers_and_options() {
        let options = options(
            "nats://a,tls://b:4333?name=n1&pingInterval=2000&tls.caFile=ca.pem&maxHold=10s&noEcho=false",
        );
        let servers: Vec<_> = options.servers().iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["nats://a:4222", "tls://b:4333"]);
        assert_eq!(options.name.as_deref(), Some("n1"));
        assert_eq!(options.ping_interval, Duration::from_secs(2));
        assert_eq!(options.limits.max_hold, Duration::from_secs(10));
        assert!(options.wants_tls());
    }

    #[test]
    fn options_of_node_are_taken_by_their_names() {
        let mut options = NatsOptions::default();
        for (name, value) in [
            ("servers", "nats://a:4222,nats://b:4222"),
            ("user", "u"),
            ("pass", "p"),
            ("timeout", "20000"),
            ("maxReconnectAttempts", "-1"),
            ("reconnectTimeWait", "500"),
            ("tls", r#"{"caFile":"ca.pem","certFile":"c.pem","keyFile":"k.pem","handshakeFirst":true}"#),
            ("preserveBuffers", "true"),
        ] {
            options.set(name, value).unwrap();
        }
        options.validate().unwrap();
        assert_eq!(options.servers().len(), 2);
        assert_eq!(options.tls.key_file.as_deref(), Some("k.pem"));
        assert_eq!(options.limits.connect_timeout, Duration::from_secs(20));
        assert!(options.tls_first);
        assert_eq!(options.login(&options.servers()[1]), Some(("u".to_owned(), Some("p".to_owned()))));
    }

    #[test]
    fn without_servers_it_is_the_one_on_this_host() {
        for url in ["nats", "NATS", "nats://", "nats://?port=4222"] {
            assert_eq!(options(url).servers()[0].to_string(), "nats://127.0.0.1:4222", "{url}");
        }
        let mut options = NatsOptions::default();
        options.set("port", "4333").unwrap();
        assert_eq!(options.servers()[0].to_string(), "nats://127.0.0.1:4333");
    }

    #[test]
    fn a_login_in_one_url_is_good_for_all_and_a_user_alone_is_a_token() {
        let options = options("nats://a,nats://u:p@b,nats://t@c");
        let logins: Vec<_> = options.servers().iter().map(|server| options.login(server)).collect();
        let user = Some(("u".to_owned(), Some("p".to_owned())));
        assert_eq!(logins, [user.clone(), user, Some(("t".to_owned(), None))]);
    }

    #[test]
    fn what_cannot_work_is_named_with_what_would() {
        for (url, words) in [
            ("redis://a", "nats://"),
            ("nats://a?nonsense=1", "nonsense"),
            ("nats://a?noEcho=true", "noEcho"),
            ("nats://a?authenticator=x", "userCreds"),
            ("nats://a?tls.ca=x", "tls.caFile"),
            ("nats://a?tls.rejectUnauthorized=false", "dangerous"),
            ("nats://a?nkey=UABC", "seed"),
            ("nats://a?pass=canary", "user"),
            ("nats://a?tls.certFile=c.pem", "tls.keyFile"),
            ("nats://a?reconnectDelayHandler=x", "function"),
        ] {
            let error = wrong(url);
            assert!(error.contains(words) && !error.contains("canary"), "{url}: {error}");
        }
    }

    #[test]
    fn nothing_printed_holds_a_secret() {
        let url = "nats://user:canary1@a,canary2@b?pass=canary3&user=u&token=canary4&nkey=SUcanary5";
        let nats = Nats::from_url(url).unwrap();
        let text = format!("{nats:?} {:#?}", nats.options());
        assert!(!text.contains("canary"), "{text}");
    }
}
