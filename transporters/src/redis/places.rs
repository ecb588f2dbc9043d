//! The servers to try: those of the configuration, and those that a cluster reported.

use rand::seq::SliceRandom as _;

use super::RedisOptions;
use super::options::Mode;
use crate::bus::Server;
use crate::locks::{Mutex, MutexGuard};

/// The number of cluster nodes that are remembered.
const MAX: usize = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    configured: Vec<Server>,
    told: Mutex<Vec<Server>>,
}

impl Places {
    pub(super) fn new(options: &RedisOptions) -> Self {
        let mut configured = options.list();
        if options.mode == Mode::Cluster {
            // Any node of the cluster will do. Shuffling keeps our nodes from all using the same one.
            configured.shuffle(&mut rand::rng());
        }
        Self { configured, told: Mutex::default() }
    }

    pub(super) fn count(&self) -> usize {
        self.configured.len() + self.told().len()
    }

    /// A server by its number. The number may have become too large since the servers were counted.
    pub(super) fn at(&self, number: usize) -> Server {
        let told = self.told();
        let number = number % (self.configured.len() + told.len()).max(1);
        match number.checked_sub(self.configured.len()) {
            None => self.configured[number].clone(),
            Some(number) => told[number].clone(),
        }
    }

    /// A server at a reported address, with everything else as configured.
    pub(super) fn like(&self, (host, port): (String, u16)) -> Server {
        let model = &self.configured[0];
        Server {
            scheme: model.scheme.clone(),
            host,
            port,
            user: model.user.clone(),
            password: model.password.clone(),
            path: None,
        }
    }

    /// Replaces the reported nodes with those that the cluster has now.
    pub(super) fn learn(&self, addresses: impl IntoIterator<Item = (String, u16)>) {
        let mut list: Vec<Server> = Vec::new();
        for address in addresses {
            let server = self.like(address);
            let same = |known: &Server| known.host == server.host && known.port == server.port;
            if list.len() < MAX && !self.configured.iter().any(same) && !list.iter().any(same) {
                list.push(server);
            }
        }
        *self.told() = list;
    }

    fn told(&self) -> MutexGuard<'_, Vec<Server>> {
        self.told.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_a_cluster_tells_are_tried_after_those_of_the_configuration() {
        let options = RedisOptions::new("redis-cluster://user:secret@a,b").unwrap();
        let places = Places::new(&options);
        let address = |host: &str| (host.to_owned(), 6379);
        places.learn(["a", "c", "c", "d"].map(address));
        assert_eq!(places.count(), 4);
        let hosts: Vec<_> = (0..4).map(|number| places.at(number).host).collect();
        assert_eq!(hosts[2..], ["c", "d"]);
        assert_eq!(places.at(7).host, "d", "a number that was counted before");
        places.learn([address("e")]);
        assert_eq!((places.count(), places.at(2).host.as_str()), (3, "e"));
    }
}
