//! The options of the Redis transporter as texts: by the names that ioredis has for them.

use std::time::Duration;

use super::RedisOptions;
use super::options::{Mode, servers};
use crate::TransportError;
use crate::bus::{self, BusLimits, Expected, OptionText};

const RECONNECTS: &str = "the node reconnects with full jitter between 50 ms and 5 s";
const QUEUES: &str = "nothing is queued while disconnected";
const ONE_NODE: &str = "one node of the cluster is used, which passes everything on";

impl OptionText for RedisOptions {
    const KIND: &'static str = "Redis";
    const NAMES: &'static [&'static str] = &[
        "url",
        "host",
        "port",
        "username",
        "password",
        "db",
        "sentinels",
        "name",
        "sentinelUsername",
        "sentinelPassword",
        "enableTLSForSentinelMode",
        "role",
        "cluster",
        "natMap",
        "family",
        "keepAlive",
        "noDelay",
        "connectionName",
        "pingInterval",
        "commandTimeout",
        "slotsRefreshInterval",
        "maxIncomingPacketSize",
        "tls.servername",
        "tls.caFile",
        "tls.certFile",
        "tls.keyFile",
        "tls.dangerousAcceptAnyCertificate",
    ];
    const IGNORED: &'static [(&'static str, &'static str)] = &[
        ("retryStrategy", RECONNECTS),
        ("reconnectOnError", RECONNECTS),
        ("sentinelRetryStrategy", RECONNECTS),
        ("sentinelReconnectStrategy", RECONNECTS),
        ("clusterRetryStrategy", RECONNECTS),
        ("clusterNodeRetryStrategy", RECONNECTS),
        ("maxRetriesPerRequest", QUEUES),
        ("enableOfflineQueue", QUEUES),
        ("autoResendUnfulfilledCommands", QUEUES),
        ("autoResubscribe", "subscriptions are always restored"),
        ("lazyConnect", "a node connects when it starts"),
        ("enableReadyCheck", "pub/sub does not wait for a data set to be loaded"),
        ("maxLoadingRetryTime", "pub/sub does not wait for a data set to be loaded"),
        ("enableAutoPipelining", "what is published is always pipelined"),
        ("autoPipeliningIgnoredCommands", "what is published is always pipelined"),
        ("keyPrefix", "channels have none in Node either"),
        ("readOnly", "pub/sub reads no keys"),
        ("scaleReads", "pub/sub reads no keys"),
        ("stringNumbers", "no numbers are read"),
        ("scripts", "no scripts are run"),
        ("blockingTimeout", "no command blocks"),
        ("blockingTimeoutGrace", "no command blocks"),
        ("disconnectTimeout", "see closeTimeout"),
        ("socketTimeout", "see pingInterval and commandTimeout"),
        ("slotsRefreshTimeout", "see commandTimeout"),
        ("sentinelCommandTimeout", "see commandTimeout"),
        ("showFriendlyErrorStack", "errors name what was wrong"),
        ("disableClientInfo", "the library's name is always told"),
        ("clientInfoTag", "see connectionName"),
        ("failoverDetector", "a change of the master is always noticed"),
        ("updateSentinels", "the Sentinels of the list are asked"),
        ("sentinelMaxConnections", "there is one connection with Sentinel"),
        ("preferredSlaves", "only the master is used"),
        ("maxRedirections", ONE_NODE),
        ("retryDelayOnMoved", ONE_NODE),
        ("retryDelayOnFailover", ONE_NODE),
        ("retryDelayOnClusterDown", ONE_NODE),
        ("retryDelayOnTryAgain", ONE_NODE),
    ];
    const SERVERS: &'static [&'static str] = &["url", "servers"];

    fn limits(&mut self) -> &mut BusLimits {
        &mut self.limits
    }

    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let read = servers(text)?;
        let mode = read.list.first().map_or(Mode::Single, |server| Mode::of(&server.scheme));
        if read.list.iter().any(|server| Mode::of(&server.scheme) != mode) {
            return Err(self.wrong("url", "servers of one kind: Redis, Sentinel or Cluster"));
        }
        let path = read.list.iter().rev().find_map(|server| server.path.clone());
        self.extend(read.list, mode)?;
        if let Some(path) = path {
            self.path(&path)?;
        }
        read.options.iter().try_for_each(|(name, value)| self.configure(name, value))
    }

    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        use bus::{count, flag, milliseconds, parsed};
        let text = Some(value.to_owned()).filter(|text| !text.is_empty());
        let at_once = |time: Duration| if time.is_zero() { Err("a time above 0") } else { Ok(time) };
        Some(match name {
            "host" => set(&mut self.host, text),
            "port" => parsed(value, "a port").map(|port| self.port = Some(port)),
            "username" => set(&mut self.username, text),
            "password" => set(&mut self.password, text),
            "db" => parsed(value, "the number of a database").map(|db| self.db = db),
            "name" => set(&mut self.master, text),
            "sentinelUsername" => set(&mut self.sentinel_username, text),
            "sentinelPassword" => set(&mut self.sentinel_password, text),
            "enableTLSForSentinelMode" => flag(value).map(|on| self.secure_sentinel = on),
            "role" => match value {
                "master" => Ok(()),
                _ => Err("master: what is published on a replica reaches only those who listen there"),
            },
            "path" => Err("nothing: sockets in the file system are not supported, name a host and a port"),
            "family" => match value {
                "0" | "4" | "6" => parsed(value, "0, 4 or 6").map(|family| self.family = family),
                _ => Err("0, 4 or 6"),
            },
            // Node's 0 leaves the time to the system, which takes hours.
            "keepAlive" => milliseconds(value).map(|time| {
                if !time.is_zero() {
                    self.keep_alive = time.max(Duration::from_secs(1));
                }
            }),
            "noDelay" => flag(value).map(|on| self.no_delay = on),
            "connectionName" => match value.bytes().all(|byte| byte.is_ascii_graphic()) {
                true => set(&mut self.connection_name, text),
                false => Err("a name without blanks"),
            },
            "pingInterval" => milliseconds(value).and_then(at_once).map(|time| self.ping_interval = time),
            "commandTimeout" => milliseconds(value).and_then(at_once).map(|time| self.command_timeout = time),
            "slotsRefreshInterval" => {
                milliseconds(value).and_then(at_once).map(|time| self.refresh_interval = time)
            }
            "maxIncomingPacketSize" => count(value).map(|bytes| self.max_incoming = bytes),
            "tls" => flag(value).map(|on| self.secure = on),
            "tls.servername" => {
                self.secure = true;
                set(&mut self.tls_server_name, text)
            }
            name => {
                let result = self.tls.set(name, value);
                self.secure |= result.is_some();
                return result;
            }
        })
    }
}

fn set(option: &mut Option<String>, text: Option<String>) -> Result<(), Expected> {
    *option = text;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Server;

    fn configured(pairs: &[(&str, &str)]) -> Result<RedisOptions, TransportError> {
        let mut options = RedisOptions::default();
        for (name, value) in pairs {
            options.configure(name, value)?;
        }
        options.validate()?;
        Ok(options)
    }

    fn printed(options: &RedisOptions) -> Vec<String> {
        options.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_named_option_can_be_set() {
        for name in RedisOptions::NAMES {
            let value = match *name {
                "url" => "redis://elsewhere",
                "sentinels" => "elsewhere:26379",
                "cluster" => r#"{"nodes": [7000]}"#,
                "natMap" => "a:1=b:2",
                "role" => "master",
                "family" => "4",
                "noDelay" | "enableTLSForSentinelMode" | "tls.dangerousAcceptAnyCertificate" => "true",
                _ => "77",
            };
            let mut options = RedisOptions::default();
            options.configure(name, value).unwrap();
        }
        for (name, _) in RedisOptions::IGNORED {
            RedisOptions::default().configure(name, "1").unwrap();
        }
    }

    #[test]
    fn urls_name_single_servers_sentinels_and_clusters() {
        let single = RedisOptions::default().url("rediss://u:p@a:7000,b/2?pingInterval=500ms").unwrap();
        assert_eq!((single.mode, single.db, single.is_secure()), (Mode::Single, 2, true));
        assert_eq!(single.ping_interval, Duration::from_millis(500));
        assert_eq!(printed(&single), ["rediss://a:7000", "rediss://b:6379"]);
        let sentinel = RedisOptions::default().url("redis-sentinel://a,b:26380/mymaster?db=3").unwrap();
        assert_eq!((sentinel.mode, sentinel.db), (Mode::Sentinel, 3));
        assert_eq!(sentinel.master.as_deref(), Some("mymaster"));
        assert_eq!(printed(&sentinel), ["redis-sentinel://a:26379", "redis-sentinel://b:26380"]);
        let cluster = RedisOptions::default().url("redis-cluster://a,[::1]:7000").unwrap();
        assert_eq!(cluster.mode, Mode::Cluster);
        assert_eq!(printed(&cluster), ["redis-cluster://a:6379", "redis-cluster://[::1]:7000"]);
    }

    #[test]
    fn the_objects_of_node_are_understood() {
        let options = configured(&[("host", "::1"), ("password", "null"), ("port", "7000")]).unwrap();
        assert_eq!((printed(&options), options.password), (vec!["redis://[::1]:7000".to_owned()], None));

        // A list of objects comes with its brackets or without.
        for list in [r#"{"host":"a","port":1},{"host":"b"}"#, r#"[{"host":"a","port":"1"}, "b"]"#] {
            let options = configured(&[("name", "mymaster"), ("sentinels", list)]).unwrap();
            assert_eq!(options.mode, Mode::Sentinel);
            let hosts: Vec<_> = options.list().iter().map(Server::address).collect();
            assert_eq!(hosts, ["a:1", "b:26379"]);
        }

        let cluster = r#"{
            "nodes": [{"host": "a", "port": 7000}, "redis://b:7001", 7002],
            "clusterOptions": {
                "scaleReads": "slave",
                "natMap": {"10.0.0.1:6379": {"host": "c", "port": 6380}},
                "redisOptions": {"password": "secret", "tls": {}}
            }
        }"#;
        let options = configured(&[("cluster", cluster)]).unwrap();
        assert_eq!(options.mode, Mode::Cluster);
        let hosts: Vec<_> = options.list().iter().map(Server::address).collect();
        assert_eq!(hosts, ["a:7000", "b:7001", "127.0.0.1:7002"]);
        assert_eq!(options.password.as_deref(), Some("secret"));
        assert!(options.is_secure());
        assert_eq!(options.mapped("10.0.0.1", 6379), ("c".to_owned(), 6380));
        assert_eq!(options.mapped("10.0.0.2", 6379), ("10.0.0.2".to_owned(), 6379));
    }

    #[test]
    fn what_cannot_be_is_named_with_what_can() {
        for (pairs, part) in [
            (&[("cluster", r#"{"nodes": []}"#)][..], "no nodes defined for cluster"),
            (&[("cluster", r#"{"nodes": ["a"], "shards": 3}"#)], "no option `cluster.shards`"),
            (&[("cluster", r#"{"nodes": ["a"]}"#), ("db", "2")], "database 0 only"),
            (&[("sentinels", "a:26379")], "has to be asked for a name"),
            (&[("url", "redis://a,redis-cluster://b")], "of one kind"),
            (&[("url", "redis://a"), ("host", "b")], "named twice"),
            (&[("url", "nats://canary")], "Redis server"),
            (&[("url", "redis://a/canary")], "number of a database"),
            (&[("role", "slave")], "replica"),
            (&[("path", "/run/redis.sock")], "sockets in the file system"),
            (&[("family", "5")], "0, 4 or 6"),
            (&[("pingInterval", "0")], "above 0"),
            (&[("connectionName", "two words")], "without blanks"),
            (&[("retryStrateg", "1")], "no option `retryStrateg`"),
            (&[("tls.rejectUnauthorized", "false")], "dangerousAcceptAnyCertificate"),
        ] {
            let error = configured(pairs).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn nothing_that_prints_the_options_prints_a_secret() {
        let mut options =
            RedisOptions::default().url("redis://canary1:canary2@host?password=canary3").unwrap();
        for name in ["username", "password", "sentinelUsername", "sentinelPassword"] {
            options.configure(name, "canary4").unwrap();
        }
        let printed = format!("{options:?} {:?}", super::super::Redis { options: options.clone() });
        assert!(!printed.contains("canary"), "{printed}");
    }
}
