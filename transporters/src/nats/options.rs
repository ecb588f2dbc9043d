//! Options of the NATS transporter, under the names of Node's clients.

use std::time::Duration;

use crate::TransportError;
use crate::bus::{BusLimits, Form, Server, ServerOptions, TlsOptions};
use crate::options;
use crate::options::kind::milliseconds;
use crate::options::{Also, FLAG, Foreign, MILLISECONDS, PORT, SECRET, TEXT};

options! {
    /// Options of the NATS transporter.
    ///
    /// A node logs in with the first of these that is set: `user_creds`, `nkey`, `token`, `user` with `pass`,
    /// and the credentials in the URL.
    #[derive(Clone)]
    pub struct NatsOptions of "the NATS transporter", elsewhere FOREIGN;
    first {
        /// Servers, with or without `nats://`, in the order in which they are tried.
        "url" | "servers": Self::SERVERS;
    }
    fields {
        /// Port of the server on this host, if no server is named.
        "port": PORT => pub port: u16 = 4222;
        /// User, unless a URL has one. The user of one URL is used for all servers.
        "user": TEXT => pub user: Option<String> = None;
        /// Password of that user.
        "pass": SECRET => pub pass: Option<String> = None;
        /// Token. A URL may have it in place of a user without a password.
        "token": SECRET => pub token: Option<String> = None;
        /// Seed of an NKEY: `SU…`.
        "nkey": SECRET => pub nkey: Option<String> = None;
        /// File with a JWT and the seed of its NKEY.
        "userCreds": TEXT => pub user_creds: Option<String> = None;
        /// Name under which the server lists this node. The default is its node id.
        "name": TEXT => pub name: Option<String> = None;
        /// Prefix of the subjects of this node's inbox. The default is `_INBOX`. See permissions.
        "inboxPrefix": TEXT => pub inbox_prefix: Option<String> = None;
        /// Time between pings. After three without an answer the connection is given up. At most three tenths
        /// of `maxHold`.
        "pingInterval": MILLISECONDS => pub ping_interval: Duration = Duration::from_millis(1500);
        /// Whether TLS is required even if the URL does not say so.
        "tls": FLAG => pub require_tls: bool = false;
        /// Whether TLS starts before the server has sent anything.
        "tls.handshakeFirst": FLAG => pub tls_first: bool = false;
    }
    then {
        /// Node's name of `connectTimeout`.
        "timeout": Also::new(|options: &mut Self, _, time| {
            options.limits.connect_timeout = milliseconds(time)?;
            Ok(())
        }).unit("milliseconds");
    }
    shared {
        /// TLS certificates.
        pub tls: TlsOptions = TlsOptions::default();
        /// Limits of queues and waits.
        pub limits: BusLimits = BusLimits::default();
    }
    state {
        servers: Vec<Server> = Vec::new();
    }
}

const FUNCTION: Foreign =
    Foreign::Refused("`user` and `pass`, `token`, `nkey` or `userCreds` instead of a function");
const PEM: Foreign = Foreign::Refused("a file, by `tls.caFile`, `tls.certFile` or `tls.keyFile`");
const FOREVER: &str = "a lost connection is restored for ever, after waits of 50 ms to 5 s";

/// Options of Node's client that do not exist here.
const FOREIGN: &[(&str, Foreign)] = &[
    ("authenticator", FUNCTION),
    ("debug", Foreign::Moot("set a log level instead")),
    ("encoding", Foreign::Moot("packets are bytes")),
    ("ignoreAuthErrorAbort", Foreign::Moot(FOREVER)),
    ("ignoreClusterUpdates", Foreign::MootUnless("true", "only the servers given are used")),
    ("json", Foreign::Moot("packets are bytes")),
    ("maxPingOut", Foreign::Moot("the third ping without an answer ends a connection")),
    ("maxReconnectAttempts", Foreign::MootUnless("-1", FOREVER)),
    ("noAsyncTraces", Foreign::Moot("it is about stack traces of Node.js")),
    ("noEcho", Foreign::Only("false", "false: a node sends packets to itself, too")),
    ("noRandomize", Foreign::MootUnless("true", "servers are tried in the order given")),
    ("nonceSigner", FUNCTION),
    ("pedantic", Foreign::Only("false", "false: Moleculer's topics may hold wildcards")),
    ("preserveBuffers", Foreign::MootUnless("true", "packets are bytes")),
    ("reconnect", Foreign::MootUnless("true", FOREVER)),
    ("reconnectDelayHandler", Foreign::Refused("nothing: waits are not set by a function")),
    ("reconnectJitter", Foreign::Moot(FOREVER)),
    ("reconnectJitterTLS", Foreign::Moot(FOREVER)),
    ("reconnectTimeWait", Foreign::Moot(FOREVER)),
    ("resolve", Foreign::Moot("all addresses of a host are tried")),
    ("tls.ca", PEM),
    ("tls.cert", PEM),
    ("tls.key", PEM),
    ("tokenHandler", FUNCTION),
    ("useOldRequestStyle", Foreign::Moot("no requests of NATS are used")),
    ("userJWT", FUNCTION),
    ("verbose", Foreign::Only("false", "false: answers to everything are of no use")),
    ("waitOnFirstConnect", Foreign::Moot("the node's connectTimeout says how long it waits")),
    ("yieldTime", Foreign::Moot("it is about the event loop of Node.js")),
];

impl ServerOptions for NatsOptions {
    const FORM: Form =
        Form { kind: "NATS", schemes: &[("nats", 4222), ("tls", 4222)], separators: &[',', ';'] };

    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError> {
        self.servers.extend(servers);
        Ok(())
    }

    fn validate(&self) -> Result<(), TransportError> {
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

impl NatsOptions {
    /// The servers, in the order in which they are tried. Printing them prints no credentials.
    pub(super) fn servers(&self) -> Vec<Server> {
        if self.servers.is_empty() {
            vec![Server::on_this_host("nats", self.port)]
        } else {
            self.servers.clone()
        }
    }

    /// User and password for a server, or a token if there is no password.
    pub(super) fn login(&self, server: &Server) -> Option<(String, Option<String>)> {
        if let Some(user) = &self.user {
            return Some((user.clone(), Some(self.pass.clone().unwrap_or_default())));
        }
        // As in Node, the credentials of one URL apply to all servers.
        let named = |server: &&Server| server.user.is_some();
        let server = Some(server).filter(named).or_else(|| self.servers.iter().find(named))?;
        Some((server.user.clone()?, server.password.clone()))
    }

    /// Whether TLS is required, regardless of the URL and the server.
    pub(super) fn wants_tls(&self) -> bool {
        self.require_tls || self.tls_first || self.tls != TlsOptions::default()
    }
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
