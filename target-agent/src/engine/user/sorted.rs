//! A map in a sorted list: for some thousand entries as quick as a tree, and a tenth of its code.
//!
//! In: keys and values. Out: values by key, all in order of keys. Invariant: keys are ascending and distinct.

use alloc::vec::Vec;

/// A map in a sorted list.
#[derive(Clone, Debug)]
pub struct SortedMap<V> {
    entries: Vec<(u32, V)>,
}

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        SortedMap { entries: Vec::new() }
    }
}

impl<V: Copy + Default> SortedMap<V> {
    /// Returns the value of a key.
    pub fn get(&self, key: u32) -> Option<V> {
        let at = self.find(key).ok()?;
        self.entries.get(at).map(|(_, value)| *value)
    }

    /// Returns the value of a key for changing it, the default at first.
    pub fn entry(&mut self, key: u32) -> &mut V {
        let at = self.find(key).unwrap_or_else(|at| {
            self.entries.insert(at, (key, V::default()));
            at
        });
        &mut self.entries[at].1
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: u32, value: V) {
        *self.entry(key) = value;
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: u32) {
        if let Ok(at) = self.find(key) {
            self.entries.remove(at);
        }
    }

    /// Returns all entries.
    pub fn iter(&self) -> impl Iterator<Item = (u32, V)> {
        self.entries.iter().copied()
    }

    fn find(&self, key: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::SortedMap;

    #[test]
    fn in_order_whatever_the_order_of_insertion() {
        let mut map = SortedMap::default();
        [5, 1, 9, 5].into_iter().for_each(|key| *map.entry(key) += key);
        map.insert(1, 7);
        map.remove(9);
        map.remove(4);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(1, 7), (5, 10)]);
        assert_eq!((map.get(5), map.get(9)), (Some(10), None));
    }
}
