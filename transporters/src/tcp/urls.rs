//! Peers that are known from the start: the `urls` option in all its forms (protocol chapter 4.6).

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

use super::net;
use crate::{Link, Name, NodeId, TransportError};

/// Peers that are known from the start.
///
/// It can be made from
///
/// * a text with one or more entries `host:port/nodeID` or `tcp://host:port/nodeID`, separated by commas or
///   line breaks (the port of an IPv6 host follows the last colon),
/// * a list of such texts,
/// * a map from node ids to `host:port`,
/// * `file://path`, a file with one entry per line, or with JSON: a list or an object as above,
/// * such JSON itself.
///
/// ```
/// use ligand_transporters::tcp::Urls;
/// use std::collections::HashMap;
///
/// let _ = Urls::from("tcp://10.0.0.1:4000/node-1,10.0.0.2:4000/node-2");
/// let _ = Urls::from(["10.0.0.1:4000/node-1", "[2001:db8::1]:4000/node-2"]);
/// let _ = Urls::from(HashMap::from([("node-1", "10.0.0.1:4000")]));
/// let _ = Urls::from("file://peers.json");
/// ```
///
/// An entry with the node's own id sets the port to listen on, unless the port is set. Invalid entries are
/// skipped with a warning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Urls(Vec<Written>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    Text(String),
    Pair { id: String, addr: String },
}

impl Urls {
    /// Adds the entries of a text.
    pub fn add(&mut self, text: impl Into<String>) {
        self.0.push(Written::Text(text.into()));
    }

    /// Adds one peer at `host:port`.
    pub fn add_peer(&mut self, id: impl Into<String>, addr: impl Into<String>) {
        self.0.push(Written::Pair { id: id.into(), addr: addr.into() });
    }

    /// Whether a file has to be read.
    fn names_a_file(&self) -> bool {
        self.0.iter().any(|written| matches!(written, Written::Text(text) if file_of(text).is_some()))
    }

    /// All peers, including those in files. Invalid entries are logged, but not again within a moment: a
    /// connect that fails is tried again.
    ///
    /// # Errors
    /// [`TransportError::Config`] if a file cannot be read, or if JSON has an error.
    pub(crate) async fn resolve(&self, link: &Link) -> Result<Vec<StaticPeer>, TransportError> {
        let found = if self.names_a_file() {
            let urls = self.clone();
            let read = move || urls.parse(|path| std::fs::read_to_string(path).map_err(|e| e.to_string()));
            tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string()).flatten()
        } else {
            self.parse(|_| Err("there is no file to read".to_owned()))
        };
        let found = found.map_err(|error| {
            TransportError::Config(format!("option `urls` of the TCP transporter: {error}"))
        })?;
        if !found.broken.is_empty() && link.log_line("tcp urls").is_some() {
            for Broken { entry, why } in &found.broken {
                tracing::warn!(%entry, %why, "skipped a broken entry of the tcp urls");
            }
        }
        Ok(found.peers)
    }

    fn parse(&self, read: impl Fn(&str) -> Result<String, String>) -> Result<PeerList, String> {
        let mut found = PeerList::default();
        for written in &self.0 {
            match written {
                Written::Pair { id, addr } => found.pair(id, addr),
                Written::Text(text) => match file_of(text) {
                    Some(path) => {
                        let content = read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
                        found.text(&content).map_err(|error| format!("{path}: {error}"))?;
                    }
                    None => found.text(text)?,
                },
            }
        }
        Ok(found)
    }
}

fn file_of(text: &str) -> Option<&str> {
    text.trim().strip_prefix("file://")
}

impl From<&str> for Urls {
    fn from(text: &str) -> Self {
        Self(vec![Written::Text(text.to_owned())])
    }
}

impl From<String> for Urls {
    fn from(text: String) -> Self {
        Self(vec![Written::Text(text)])
    }
}

impl<T: Into<String>> From<Vec<T>> for Urls {
    fn from(list: Vec<T>) -> Self {
        Self(list.into_iter().map(|text| Written::Text(text.into())).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Urls {
    fn from(list: [T; N]) -> Self {
        Self(list.into_iter().map(|text| Written::Text(text.into())).collect())
    }
}

fn pairs<K: Into<String>, V: Into<String>>(map: impl IntoIterator<Item = (K, V)>) -> Urls {
    Urls(map.into_iter().map(|(id, addr)| Written::Pair { id: id.into(), addr: addr.into() }).collect())
}

impl<K: Into<String>, V: Into<String>> From<HashMap<K, V>> for Urls {
    fn from(map: HashMap<K, V>) -> Self {
        pairs(map)
    }
}

impl<K: Into<String>, V: Into<String>> From<BTreeMap<K, V>> for Urls {
    fn from(map: BTreeMap<K, V>) -> Self {
        pairs(map)
    }
}

/// One peer of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaticPeer {
    pub(crate) id: NodeId,
    /// `host:port`.
    pub(crate) addr: Name,
    pub(crate) port: u16,
}

#[derive(Debug, PartialEq, Eq)]
struct Broken {
    entry: String,
    why: String,
}

/// What was read of all that was written.
#[derive(Debug, Default)]
struct PeerList {
    peers: Vec<StaticPeer>,
    broken: Vec<Broken>,
}

impl PeerList {
    fn text(&mut self, content: &str) -> Result<(), String> {
        let content = content.trim();
        if content.starts_with(['[', '{']) && !is_bracketed_host(content) {
            let wrong = |why: &dyn std::fmt::Display| format!("this is no JSON that lists peers: {why}");
            let text =
                |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(&"expected a text"));
            match serde_json::from_str(content).map_err(|error| wrong(&error))? {
                Value::Array(entries) => {
                    for entry in &entries {
                        self.entry(&text(entry)?);
                    }
                }
                Value::Object(entries) => {
                    for (id, addr) in &entries {
                        self.pair(id, &text(addr)?);
                    }
                }
                _ => return Err(wrong(&"expected a list or an object")),
            }
        } else {
            let entries = content.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
            entries.for_each(|entry| self.entry(entry));
        }
        Ok(())
    }

    fn entry(&mut self, entry: &str) {
        let bare = without_scheme(entry);
        match bare.split_once('/') {
            Some((addr, id)) => self.peer(entry, id, addr),
            None => self.skip(entry, &"it has no `/nodeID` at its end"),
        }
    }

    fn pair(&mut self, id: &str, addr: &str) {
        self.peer(&format!("{id}: {addr}"), id, without_scheme(addr));
    }

    fn peer(&mut self, entry: &str, id: &str, addr: &str) {
        let (id, addr) = (id.trim(), addr.trim());
        let Some((_, port)) = net::host_and_port(addr) else {
            return self.skip(entry, &"its address is not `host:port` with a port from 1 to 65535");
        };
        match NodeId::foreign(id) {
            Err(error) => self.skip(entry, &error),
            Ok(id) if self.peers.iter().any(|peer| peer.id == id) => {
                self.skip(entry, &"its node id occurs twice");
            }
            Ok(id) => self.peers.push(StaticPeer { id, addr: addr.into(), port }),
        }
    }

    fn skip(&mut self, entry: &str, why: &impl ToString) {
        self.broken.push(Broken { entry: entry.to_owned(), why: why.to_string() });
    }
}

fn without_scheme(entry: &str) -> &str {
    match entry.trim().split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tcp") => rest,
        _ => entry.trim(),
    }
}

/// `[::1]:4000/node-1` begins like a JSON list.
fn is_bracketed_host(text: &str) -> bool {
    text.strip_prefix('[').is_some_and(|rest| rest.starts_with(|c: char| c == ':' || c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(urls: impl Into<Urls>) -> PeerList {
        urls.into().parse(|path| Err(format!("no file {path}"))).unwrap()
    }

    fn peers(urls: impl Into<Urls>) -> Vec<(String, String)> {
        let found = found(urls);
        assert_eq!(found.broken, []);
        found.peers.into_iter().map(|peer| (peer.id.to_string(), peer.addr.to_string())).collect()
    }

    fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(id, addr)| ((*id).to_owned(), (*addr).to_owned())).collect()
    }

    #[test]
    fn all_forms_name_the_same_peers() {
        let two = expected(&[("n1", "h1:4001"), ("n2", "h2:4002")]);
        assert_eq!(peers("h1:4001/n1,h2:4002/n2"), two);
        assert_eq!(peers("tcp://h1:4001/n1, tcp://h2:4002/n2"), two);
        assert_eq!(peers(["h1:4001/n1", "tcp://h2:4002/n2"]), two);
        assert_eq!(peers(vec!["h1:4001/n1".to_owned(), "h2:4002/n2".to_owned()]), two);
        assert_eq!(peers(BTreeMap::from([("n1", "h1:4001"), ("n2", "tcp://h2:4002")])), two);
        assert_eq!(peers(r#" ["tcp://h1:4001/n1", "h2:4002/n2"] "#), two);
        assert_eq!(peers(r#"{"n1": "h1:4001", "n2": "h2:4002"}"#), two);
        assert_eq!(peers("h1:4001/n1\n\nh2:4002/n2\r\n"), two);
        assert_eq!(peers(""), []);
    }

    #[test]
    fn a_file_holds_lines_or_json() {
        for content in ["h1:4001/n1\nh2:4002/n2\n", r#"["h1:4001/n1","h2:4002/n2"]"#, r#"{"n1":"h1:4001"}"#] {
            let read = |path: &str| {
                assert_eq!(path, "/etc/peers");
                Ok(content.to_owned())
            };
            let found = Urls::from("file:///etc/peers").parse(read).unwrap();
            assert_eq!(found.peers.first().unwrap().id.as_str(), "n1");
        }
        let error = Urls::from("file://gone.json").parse(|_| Err("not found".to_owned())).unwrap_err();
        assert_eq!(error, "cannot read gone.json: not found");
    }

    #[test]
    fn hosts_may_be_ipv6_with_or_without_brackets() {
        assert_eq!(peers("[::1]:4001/n1"), expected(&[("n1", "[::1]:4001")]));
        assert_eq!(peers("tcp://2001:db8::1:4001/n1"), expected(&[("n1", "2001:db8::1:4001")]));
    }

    #[test]
    fn broken_entries_are_skipped_and_named() {
        let found =
            found("h1:4001/n1,h2:4002,h3/n3,h4:0/n4,h5:99999/n5,h6:4006/,:4007/n7,h8:4008/n1,h9:4009/n9");
        let names: Vec<_> = found.peers.iter().map(|peer| peer.id.as_str()).collect();
        assert_eq!(names, ["n1", "n9"]);
        let broken: Vec<_> = found.broken.iter().map(|broken| broken.entry.as_str()).collect();
        assert_eq!(
            broken,
            ["h2:4002", "h3/n3", "h4:0/n4", "h5:99999/n5", "h6:4006/", ":4007/n7", "h8:4008/n1"]
        );
        assert!(found.broken.iter().all(|broken| !broken.why.is_empty()));
    }

    #[test]
    fn broken_json_is_an_error() {
        let error = Urls::from(r#"["h1:4001/n1""#).parse(|_| Err(String::new())).unwrap_err();
        assert!(error.contains("JSON"), "{error}");
    }
}
