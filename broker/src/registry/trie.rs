//! A map by name whose copies share their common parts.
//!
//!
//! The hash of a name selects a path through a tree with 16-fold branches and small buckets at the ends. A
//! clone copies one pointer. A change copies the branches on the path to one bucket. With a `HashMap`, each
//! INFO would copy all names of the cluster.

use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A value that contains its own key.
pub(super) trait Keyed: Clone {
    fn key(&self) -> &str;
}

/// A map from [`Keyed::key`] to its owner.
#[derive(Debug, Clone)]
pub(super) struct Trie<T> {
    root: Node<T>,
    len: usize,
    /// It has a random seed for each process and map, so that nobody can prepare names that collide.
    hasher: RandomState,
}

#[derive(Debug, Clone)]
enum Node<T> {
    Bucket(Arc<[(u64, T)]>),
    Branch(Arc<[Node<T>; FANOUT]>),
}

const FANOUT: usize = 16;
/// A larger bucket is split.
const BUCKET: usize = 8;
/// The number of bits of the hash that one branch uses.
const BITS: u32 = FANOUT.trailing_zeros();

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: Node::Bucket(Arc::new([])), len: 0, hasher: RandomState::default() }
    }
}

impl<T: Keyed> Trie<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &str) -> Option<&T> {
        let hash = self.hasher.hash_one(key);
        let mut node = &self.root;
        let mut shift = 0;
        loop {
            match node {
                Node::Branch(children) => node = children.get(slot(hash, shift))?,
                Node::Bucket(items) => {
                    return items
                        .iter()
                        .find(|(h, item)| *h == hash && item.key() == key)
                        .map(|(_, item)| item);
                }
            }
            shift += BITS;
        }
    }

    /// Inserts `item`. It replaces the item with the same key.
    pub(super) fn insert(&mut self, item: T) {
        let hash = self.hasher.hash_one(item.key());
        if self.root.insert(hash, item, 0) {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.get(key).is_some() {
            let hash = self.hasher.hash_one(key);
            self.root.remove(hash, key, 0);
            self.len -= 1;
        }
    }

    /// All items, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut todo = vec![&self.root];
        std::iter::from_fn(move || {
            loop {
                match todo.pop()? {
                    Node::Branch(children) => todo.extend(children.iter()),
                    Node::Bucket(items) => return Some(items),
                }
            }
        })
        .flat_map(|items| items.iter().map(|(_, item)| item))
    }
}

impl<T: Keyed> Node<T> {
    /// Returns whether the key is new.
    fn insert(&mut self, hash: u64, item: T, shift: u32) -> bool {
        match self {
            Self::Branch(children) => match Arc::make_mut(children).get_mut(slot(hash, shift)) {
                Some(child) => child.insert(hash, item, shift + BITS),
                None => false,
            },
            Self::Bucket(items) => {
                let known = items.iter().position(|(h, old)| *h == hash && old.key() == item.key());
                if let Some(known) = known {
                    if let Some(slot) = Arc::make_mut(items).get_mut(known) {
                        *slot = (hash, item);
                    }
                    return false;
                }
                *items = items.iter().cloned().chain([(hash, item)]).collect();
                // When all bits of the hash have been used, equal hashes share a bucket.
                if items.len() > BUCKET && shift < u64::BITS {
                    *self = Self::split(items, shift);
                }
                true
            }
        }
    }

    fn split(items: &[(u64, T)], shift: u32) -> Self {
        let of = |at: usize| items.iter().filter(|(hash, _)| slot(*hash, shift) == at).cloned().collect();
        Self::Branch(Arc::new(std::array::from_fn(|at| Self::Bucket(of(at)))))
    }

    fn remove(&mut self, hash: u64, key: &str, shift: u32) {
        match self {
            Self::Branch(children) => {
                if let Some(child) = Arc::make_mut(children).get_mut(slot(hash, shift)) {
                    child.remove(hash, key, shift + BITS);
                }
            }
            Self::Bucket(items) => {
                *items = items.iter().filter(|(_, item)| item.key() != key).cloned().collect();
            }
        }
    }
}

fn slot(hash: u64, shift: u32) -> usize {
    // The remainder is below `FANOUT`, so it fits any width of `usize`.
    (hash.checked_shr(shift).unwrap_or_default() % FANOUT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Keyed for (String, u32) {
        fn key(&self) -> &str {
            &self.0
        }
    }

    fn content(trie: &Trie<(String, u32)>) -> BTreeMap<String, u32> {
        trie.iter().cloned().collect()
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(steps in proptest::collection::vec((any::<bool>(), 0_u32..400), 0..600)) {
            let mut trie = Trie::default();
            let mut model = BTreeMap::new();
            let mut earlier = (trie.clone(), model.clone());
            for (at, (insert, key)) in (0_u32..).zip(steps) {
                if at % 100 == 50 {
                    prop_assert_eq!(content(&earlier.0), earlier.1);
                    earlier = (trie.clone(), model.clone());
                }
                let key = key.to_string();
                if insert {
                    trie.insert((key.clone(), at));
                    model.insert(key.clone(), at);
                } else {
                    trie.remove(&key);
                    model.remove(&key);
                }
                prop_assert_eq!(trie.get(&key).map(|item| item.1), model.get(&key).copied());
            }
            prop_assert_eq!(trie.len(), model.len());
            prop_assert_eq!(content(&trie), model);
            prop_assert_eq!(content(&earlier.0), earlier.1);
        }
    }

    #[test]
    fn names_with_equal_hashes_share_a_bucket() {
        let mut root = Node::Bucket(Arc::new([]));
        for n in 0..40_u32 {
            assert!(root.insert(7, (n.to_string(), n), 0));
        }
        assert!(!root.insert(7, ("3".to_owned(), 99), 0));
        root.remove(7, "4", 0);
        let trie = Trie { root, len: 39, hasher: RandomState::default() };
        assert_eq!(content(&trie).len(), 39);
        assert_eq!(content(&trie)["3"], 99);
    }
}
