//! A list whose copies share their common elements.

use smallvec::SmallVec;
use std::sync::Arc;

/// A list in chunks of `CHUNK` elements. All chunks except the last are full.
///
///
/// Cloning copies one pointer for each chunk. A change copies the chunk that it affects. So a published list
/// and the next one differ only in what has changed, and changing a list of a thousand elements costs little
/// more than changing a list of ten.
#[derive(Debug, Clone)]
pub(super) struct Chunked<T, const CHUNK: usize> {
    chunks: SmallVec<[Arc<[T]>; 1]>,
}

impl<T, const CHUNK: usize> Default for Chunked<T, CHUNK> {
    fn default() -> Self {
        Self { chunks: SmallVec::new() }
    }
}

impl<T: Clone, const CHUNK: usize> Chunked<T, CHUNK> {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The index of the first element for which `wanted` returns true.
    pub(super) fn position(&self, mut wanted: impl FnMut(&T) -> bool) -> Option<usize> {
        self.chunks
            .iter()
            .enumerate()
            .find_map(|(at, chunk)| Some(at * CHUNK + chunk.iter().position(&mut wanted)?))
    }

    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => *last = last.iter().cloned().chain([value]).collect(),
            _ => self.chunks.push(Arc::new([value])),
        }
    }

    /// Replaces the element at `index`. Does nothing if there is none.
    pub(super) fn set(&mut self, index: usize, value: T) {
        if let Some(slot) =
            self.chunks.get_mut(index / CHUNK).and_then(|chunk| Arc::make_mut(chunk).get_mut(index % CHUNK))
        {
            *slot = value;
        }
    }

    /// Removes the element at `index` and moves the last element to its place.
    pub(super) fn swap_remove(&mut self, index: usize) {
        let Some(last) = self.len().checked_sub(1) else { return };
        if index < last
            && let Some(moved) = self.get(last).cloned()
        {
            self.set(index, moved);
        }
        if index <= last
            && let Some(chunk) = self.chunks.last_mut()
        {
            match chunk.len() - 1 {
                0 => drop(self.chunks.pop()),
                left => *chunk = chunk.iter().take(left).cloned().collect(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_vec_does(steps in proptest::collection::vec((0_u8..4, 0_usize..20), 0..60)) {
            let mut list = Chunked::<usize, 4>::default();
            let mut model = Vec::new();
            let mut earlier = Vec::new();
            for (step, (what, index)) in steps.into_iter().enumerate() {
                earlier.push((list.clone(), model.clone()));
                match what {
                    0 | 1 => {
                        list.push(step);
                        model.push(step);
                    }
                    2 => {
                        list.set(index, step);
                        if let Some(slot) = model.get_mut(index) {
                            *slot = step;
                        }
                    }
                    _ => {
                        list.swap_remove(index);
                        if index < model.len() {
                            model.swap_remove(index);
                        }
                    }
                }
            }
            earlier.push((list, model));
            for (list, model) in earlier {
                prop_assert_eq!(list.iter().copied().collect::<Vec<_>>(), model.clone());
                prop_assert_eq!(list.len(), model.len());
                prop_assert_eq!(list.is_empty(), model.is_empty());
                for index in 0..model.len() + 2 {
                    prop_assert_eq!(list.get(index), model.get(index));
                    prop_assert_eq!(list.position(|v| model.get(index) == Some(v)).is_some(), index < model.len());
                }
            }
        }
    }
}
