//! What a node of a cluster says about the other nodes.

use super::RedisOptions;
use super::line::{Line, text};
use super::places::Places;
use crate::locks::Mutex;
use std::sync::Arc;
use tokio::time::Instant;

/// The largest number of nodes that are read. Any others are ignored.
const MAX: usize = 10_000;

/// A node's view of its cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// The addresses of the nodes that can be reached.
    pub(super) addresses: Vec<(String, u16)>,
    masters: usize,
    failing: usize,
}

impl Topology {
    /// Reads the answer to `CLUSTER NODES`: one line per node, `<id> <host:port@bus[,name]> <flags> …`. Lines
    /// in another form are ignored.
    pub(super) fn read(text: &str) -> Self {
        let mut topology = Self::default();
        for line in text.lines().take(MAX) {
            let fields: Vec<&str> = line.split(' ').collect();
            let (Some(address), Some(flags)) = (fields.get(1), fields.get(2)) else { continue };
            let has = |flag: &str| flags.split(',').any(|one| one == flag);
            let failing = has("fail") || has("fail?");
            // A master without slots has no vote.
            if has("master") && fields.len() > 8 {
                topology.masters += 1;
                topology.failing += usize::from(failing);
            }
            let address = address.split(['@', ',']).next().and_then(|address| address.rsplit_once(':'));
            if let Some((host, port)) = address
                && let Ok(port) = port.parse()
                && !(failing || host.is_empty() || port == 0 || has("handshake") || has("noaddr"))
            {
                topology.addresses.push((host.to_owned(), port));
            }
        }
        topology
    }

    /// Whether this server has lost most of the masters. What is published here does not reach them.
    pub(super) fn is_cut_off(&self) -> bool {
        self.failing * 2 > self.masters
    }
}

/// Checks the topology now and then.
pub(super) struct Watch {
    options: Arc<RedisOptions>,
    places: Arc<Places>,
    looked: Mutex<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(options: Arc<RedisOptions>, places: Arc<Places>) -> Self {
        Self { options, places, looked: Mutex::default() }
    }

    /// Learns the addresses of the nodes, unless the server was asked recently.
    ///
    /// # Errors
    /// If the server is of no use.
    pub(super) async fn look(&self, line: &Line) -> Result<(), String> {
        let now = Instant::now();
        {
            let mut looked = self.looked.lock();
            if looked.is_some_and(|looked| now.duration_since(looked) < self.options.refresh_interval) {
                return Ok(());
            }
            *looked = Some(now);
        }
        let mut question = redis::cmd("CLUSTER");
        let told = line.ask(question.arg("NODES")).await.map_err(|why| why.to_string())?;
        let Some(told) = text(&told) else {
            // The user may not ask, or the server is not in a cluster. It can be used anyway.
            tracing::debug!(answer = ?told, "a server does not tell the nodes of its cluster");
            return Ok(());
        };
        let topology = Topology::read(&told);
        if topology.is_cut_off() {
            return Err("this node is cut off from most of its cluster".to_owned());
        }
        let addresses = topology.addresses.iter();
        self.places.learn(addresses.map(|(host, port)| self.options.mapped(host, *port)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
        a1 127.0.0.1:7001@17001,host-a myself,master - 0 0 1 connected 0-5460\n\
        b2 127.0.0.1:7002@17002 master - 0 1426238316232 2 connected 5461-10922\n\
        c3 ::1:7003@17003 master,fail? - 0 1426238318243 3 connected 10923-16383\n\
        d4 127.0.0.1:7004@17004 slave a1 0 1426238317741 1 connected\n\
        e5 :0@0 master,noaddr - 0 0 0 disconnected\n\
        f6 127.0.0.1:7006@17006 handshake - 0 0 0 disconnected\n";

    #[test]
    fn nodes_that_can_be_reached_are_listed() {
        let topology = Topology::read(NODES);
        let ports: Vec<_> = topology.addresses.iter().map(|(_, port)| *port).collect();
        assert_eq!(ports, [7001, 7002, 7004]);
        assert_eq!((topology.masters, topology.failing), (3, 1));
        assert!(!topology.is_cut_off());
    }

    #[test]
    fn a_node_that_takes_most_others_for_dead_is_cut_off() {
        let text = NODES.replace("b2 127.0.0.1:7002@17002 master", "b2 127.0.0.1:7002@17002 master,fail");
        assert!(Topology::read(&text).is_cut_off());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[ -~\n]{0,300}") {
            Topology::read(&text);
        }
    }
}
