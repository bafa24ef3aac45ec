//! Contents that were read lately: a view asks for many that lie in one waypoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cairn_crdt::id::ContentHash;

/// The most bytes that are kept.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// Contents by hash; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    contents: BTreeMap<ContentHash, Arc<[u8]>>,
    order: VecDeque<ContentHash>,
    bytes: usize,
}

impl Cache {
    /// A content, if it is here.
    pub(crate) fn get(&self, content: ContentHash) -> Option<Arc<[u8]>> {
        self.contents.get(&content).cloned()
    }

    /// Keeps a content for a while.
    pub(crate) fn put(&mut self, content: ContentHash, bytes: Arc<[u8]>) {
        self.bytes += bytes.len();
        if let Some(old) = self.contents.insert(content, bytes) {
            self.bytes -= old.len();
        } else {
            self.order.push_back(content);
        }
        while self.bytes > CACHE_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.contents.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut cache = Cache::default();
        for byte in 0..100u8 {
            let bytes: Arc<[u8]> = vec![byte; 1 << 20].into();
            cache.put(ContentHash([byte; 32]), bytes);
        }
        assert!(cache.get(ContentHash([0; 32])).is_none());
        assert!(cache.get(ContentHash([99; 32])).is_some());
        assert!(cache.bytes <= CACHE_BYTES_MAX);
    }
}
