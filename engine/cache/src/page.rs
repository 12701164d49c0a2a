//! Pages of segments that were read from disk: so many bytes and no more, the least recently read
//! goes first.

use std::collections::VecDeque;

use engine_runtime::Slice;

use crate::limits::{PAGE_SIZE_BYTES, PAGES_SIZE_BYTES_MAX};

/// Names a page: a piece of one segment of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageKey {
    /// The log's index on its shard.
    pub log: u32,
    /// The segment's base offset.
    pub segment_base: i64,
    /// A multiple of [`PAGE_SIZE_BYTES`].
    pub position: u64,
}

/// The cold pages of one shard, oldest first. They are few (32), so a scan finds one as fast as a
/// map would.
#[derive(Debug, Default)]
pub struct PageCache {
    pages: VecDeque<(PageKey, Slice)>,
    used_bytes: usize,
}

impl PageCache {
    /// A page that was read; it becomes the youngest.
    pub fn find(&mut self, key: PageKey) -> Option<Slice> {
        let index = self.pages.iter().position(|(found, _)| *found == key)?;
        let page = self.pages.remove(index)?;
        let slice = page.1.clone();
        self.pages.push_back(page);
        Some(slice)
    }

    /// Whether the page is here; its age stays.
    #[must_use]
    pub fn contains(&self, key: PageKey) -> bool {
        self.pages.iter().any(|(found, _)| *found == key)
    }

    /// Keeps a page. One that is shorter than it could be (it ends at what was the segment's end)
    /// replaces its former self.
    pub fn insert(&mut self, key: PageKey, page: Slice) {
        assert!(page.len() <= PAGE_SIZE_BYTES);
        self.remove_where(|found| *found == key);
        self.used_bytes += page.len();
        self.pages.push_back((key, page));
        while self.used_bytes > PAGES_SIZE_BYTES_MAX {
            let (_, evicted) = self.pages.pop_front().expect("used bytes belong to pages");
            self.used_bytes -= evicted.len();
        }
    }

    /// Forgets pages, for example of a log that was cut.
    pub fn remove_where(&mut self, is_void: impl Fn(&PageKey) -> bool) {
        self.pages.retain(|(key, _)| !is_void(key));
        self.used_bytes = self.pages.iter().map(|(_, page)| page.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(position: u64) -> PageKey {
        PageKey {
            log: 1,
            segment_base: 0,
            position,
        }
    }

    #[test]
    fn keeps_the_pages_read_last_within_the_bound() {
        let mut cache = PageCache::default();
        let page = Slice::from_vec(vec![1; PAGE_SIZE_BYTES]);
        let count = (PAGES_SIZE_BYTES_MAX / PAGE_SIZE_BYTES) as u64;
        (0..count).for_each(|at| cache.insert(key(at), page.clone()));
        assert!(cache.find(key(0)).is_some());
        cache.insert(key(count), page);
        assert!(cache.contains(key(0)));
        assert!(!cache.contains(key(1)));
    }

    #[test]
    fn forgets_a_cut_log() {
        let mut cache = PageCache::default();
        cache.insert(key(0), Slice::from_vec(vec![1]));
        cache.remove_where(|key| key.log == 1);
        assert!(cache.find(key(0)).is_none());
        assert_eq!(cache.used_bytes, 0);
    }
}
