//! Where the operations of waypoints lie that need not be in memory.
//!
//! A history is long and a view needs one epoch of it. So of a waypoint that is on the disk the documents remember its
//! feed and its place there, eight bytes; what it does is asked for when a version needs it, and may be let go again.

use std::sync::Arc;

use crate::documents::{Contents, Documents};
use crate::error::CrdtError;
use crate::id::{FeedId, WaypointId};
use crate::op::Op;
use crate::state::Act;

/// What stands where nothing lies.
const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

/// Where a waypoint lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The feed, or the local name of a side of one.
    pub feed: FeedId,
    /// The place in the feed, from 0.
    pub place: u64,
}

/// The spots of waypoints by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    feeds: Vec<FeedId>,
    spots: Vec<(u32, u32)>,
    /// How many operations are in memory.
    pub(crate) held: usize,
    /// How many one version needed lately: what is let go below that comes back at once.
    needed: usize,
}

impl Shelf {
    /// Notes where a waypoint lies; one that lies too far up to be noted stays in memory.
    fn put(&mut self, number: u32, spot: Spot) {
        let (Ok(place), feed) = (u32::try_from(spot.place), self.feed(spot.feed)) else { return };
        let number = number as usize;
        if self.spots.len() <= number {
            self.spots.resize(number + 1, NOWHERE);
        }
        if let Some(noted) = self.spots.get_mut(number) {
            *noted = (feed, place);
        }
    }

    /// The number of a feed; those used last are found first.
    fn feed(&mut self, feed: FeedId) -> u32 {
        let known = self.feeds.iter().rposition(|known| *known == feed);
        let at = known.unwrap_or_else(|| {
            self.feeds.push(feed);
            self.feeds.len() - 1
        });
        at as u32
    }

    /// Notes how many operations a version needs.
    pub(crate) fn need(&mut self, count: usize) {
        self.needed = self.needed.max(count);
    }

    fn get(&self, number: u32) -> Option<Spot> {
        let (feed, place) = *self.spots.get(number as usize)?;
        Some(Spot { feed: *self.feeds.get(feed as usize)?, place: place.into() })
    }
}

impl Documents {
    /// Takes in a waypoint whose operations lie on the disk and are sound. `begins` is the depth of the epoch that it
    /// begins, as in [`Documents::restart`].
    pub fn insert_shelved(
        &mut self,
        id: WaypointId,
        parents: &[WaypointId],
        begins: Option<u32>,
        spot: Spot,
    ) -> Result<(), CrdtError> {
        match begins {
            None | Some(0) => self.join(id, parents)?,
            Some(_) => self.join_detached(id, parents),
        }
        if let Some(depth) = begins {
            self.begin(id, depth);
        }
        self.shelve(&id, spot);
        Ok(())
    }

    /// Notes where a waypoint lies that is here.
    pub fn shelve(&mut self, id: &WaypointId, spot: Spot) {
        if let Some(number) = self.graph.number(id) {
            self.shelf.put(number, spot);
        }
    }

    /// Lets go of all operations that the disk gives again, and of what was made of them, once there are more than
    /// `count_max`, and twice as many as a version needed lately.
    pub fn let_go(&mut self, count_max: usize) {
        if self.shelf.held <= count_max.max(2 * self.shelf.needed) {
            return;
        }
        self.shelf.needed = 0;
        let (graph, shelf) = (&self.graph, &self.shelf);
        let lies = |id: &WaypointId| graph.number(id).is_some_and(|number| shelf.get(number).is_some());
        self.acts.retain(|id, _| !lies(id));
        self.kept.clear();
        self.texts = Default::default();
        let mut lineage = crate::lineage::Lineage::default();
        self.acts.values().flat_map(|acts| acts.iter()).for_each(|act| act.name(&mut lineage));
        self.lineage = Arc::new(lineage);
        self.shelf.held = self.acts.values().map(|acts| acts.len()).sum();
    }

    /// Brings operations into memory that lie on the disk. What has faded has none.
    pub(crate) fn fetch(&mut self, ids: &[WaypointId], contents: &dyn Contents) -> Result<(), CrdtError> {
        for id in ids {
            if let Some(ops) = self.shelved(id, contents)? {
                let acts = self.acts_of(*id, &ops)?;
                self.keep(*id, acts)?;
            }
        }
        Ok(())
    }

    /// Where a waypoint lies on the disk, as far as it was noted.
    pub(crate) fn spot(&self, id: &WaypointId) -> Option<Spot> {
        self.graph.number(id).and_then(|number| self.shelf.get(number))
    }

    /// The operations of a waypoint that are not in memory.
    fn shelved(&self, id: &WaypointId, contents: &dyn Contents) -> Result<Option<Arc<[Op]>>, CrdtError> {
        if self.acts.contains_key(id) || self.is_faded(id) {
            return Ok(None);
        }
        let Some(spot) = self.spot(id) else { return Ok(None) };
        contents.ops(*id, spot).map(Some).ok_or(CrdtError::Unread(*id))
    }

    /// What a waypoint does, without keeping it in memory if it was not there.
    pub(crate) fn acts_at(&self, id: &WaypointId, contents: &dyn Contents) -> Result<Arc<[Act]>, CrdtError> {
        match self.shelved(id, contents)? {
            Some(ops) => self.acts_of(*id, &ops),
            None => Ok(self.acts.get(id).cloned().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::documents::{Change, Kept};
    use crate::draft::FileEdit;
    use crate::error::Absent;
    use crate::frontier::Frontier;
    use crate::id::{ContentHash, ProjectId, derive};
    use crate::path::RepoPath;

    const PROJECT: ProjectId = ProjectId([7; 32]);
    const FEED: FeedId = FeedId([8; 32]);

    /// A disk with all that was written, but for the waypoint at `lost`.
    #[derive(Default)]
    struct Disk {
        kept: Kept,
        changes: Vec<Change>,
        lost: Option<u64>,
        /// The places that were asked for.
        asked: RefCell<Vec<u64>>,
    }

    impl Contents for Disk {
        fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
            Contents::get(&self.kept, content)
        }

        fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
            self.asked.borrow_mut().push(spot.place);
            let change = self.changes.get(usize::try_from(spot.place).ok()?)?;
            let is_it = change.id == id && spot.feed == FEED && self.lost != Some(spot.place);
            is_it.then(|| change.ops.clone())
        }
    }

    fn path() -> RepoPath {
        RepoPath::new(b"a.rs").unwrap()
    }

    /// A file that is written, edited and edited again beside that.
    fn written() -> (Documents, Disk) {
        let (mut documents, mut disk) = (Documents::new(PROJECT), Disk::default());
        let texts = [
            (None, "fn f() {\n    1\n}\n\nfn g() {\n    2\n}\n"),
            (Some(0), "fn f() {\n    10\n}\n\nfn g() {\n    2\n}\n"),
            (Some(0), "fn f() {\n    1\n}\n\nfn g() {\n    20\n}\n"),
        ];
        for (at, (below, text)) in texts.into_iter().enumerate() {
            let parents: Vec<WaypointId> = below
                .and_then(|below: usize| disk.changes.get(below))
                .map(|change| change.id)
                .into_iter()
                .collect();
            let base = Frontier::from_iter(parents.iter().copied());
            let edit = FileEdit::Write { path: path(), bytes: text.as_bytes().into(), executable: false };
            let draft = documents.draft(&base, &[edit], &disk).unwrap();
            disk.kept.extend(draft.contents);
            let change =
                Change { id: WaypointId(derive("test", &[&[at as u8]])), parents, ops: draft.ops.into() };
            documents.insert(change.clone()).unwrap();
            disk.changes.push(change);
        }
        (documents, disk)
    }

    fn shelved(disk: &Disk) -> Documents {
        let mut documents = Documents::new(PROJECT);
        for (place, change) in (0..).zip(&disk.changes) {
            documents.insert_shelved(change.id, &change.parents, None, Spot { feed: FEED, place }).unwrap();
        }
        documents
    }

    fn tip(disk: &Disk) -> Frontier {
        disk.changes.iter().skip(1).map(|change| change.id).collect()
    }

    #[test]
    fn a_version_whose_operations_lie_on_the_disk_shows_what_it_shows_in_memory() {
        let (mut whole, disk) = written();
        let mut less = shelved(&disk);
        let view = whole.view(&tip(&disk), &disk).unwrap();
        assert_eq!(*less.view(&tip(&disk), &disk).unwrap(), *view);
        assert_eq!(
            less.bytes(&view, &path(), &disk).unwrap(),
            b"fn f() {\n    10\n}\n\nfn g() {\n    20\n}\n"
        );
        let ids = || disk.changes.iter().map(|change| &change.id);
        assert_eq!(shelved(&disk).named(ids(), &disk).unwrap(), whole.named(ids(), &disk).unwrap());
        assert_eq!(
            less.writers(&view, &path(), &disk).unwrap(),
            whole.writers(&view, &path(), &disk).unwrap()
        );
    }

    #[test]
    fn the_disk_is_read_in_the_order_in_which_it_lies() {
        let (_, disk) = written();
        let mut ids: Vec<_> = disk.changes.iter().map(|change| change.id).collect();
        let documents = shelved(&disk);
        for _ in 0..ids.len() {
            ids.rotate_left(1);
            disk.asked.borrow_mut().clear();
            documents.named(&ids, &disk).unwrap();
            assert_eq!(*disk.asked.borrow(), (0..ids.len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_let_go_comes_back_and_what_has_no_spot_stays() {
        let (mut documents, disk) = written();
        let view = documents.view(&tip(&disk), &disk).unwrap();
        documents.shelf.needed = 0;
        documents.let_go(0);
        assert_eq!(documents.acts.len(), 3, "nobody said where it lies");
        for (place, change) in (0..).zip(&disk.changes) {
            documents.shelve(&change.id, Spot { feed: FEED, place });
        }
        documents.view(&tip(&disk), &disk).unwrap();
        documents.let_go(1000);
        assert_eq!(documents.acts.len(), 3, "few enough");
        documents.let_go(0);
        assert_eq!(documents.acts.len(), 3, "a version needed them lately");
        documents.shelf.needed = 0;
        documents.let_go(0);
        assert!(documents.acts.is_empty());
        assert_eq!(*documents.view(&tip(&disk), &disk).unwrap(), *view);
        let edit = FileEdit::Write { path: path(), bytes: b"fn g() {}\n"[..].into(), executable: false };
        documents.shelf.needed = 0;
        documents.let_go(0);
        assert!(!documents.draft(&tip(&disk), &[edit], &disk).unwrap().is_empty());
    }

    #[test]
    fn a_version_of_which_something_does_not_read_back_is_refused_by_name() {
        let (_, mut disk) = written();
        disk.lost = Some(1);
        let mut less = shelved(&disk);
        let lost = disk.changes[1].id;
        assert_eq!(less.view(&tip(&disk), &disk), Err(CrdtError::Unread(lost)));
        let other = Frontier::from_iter([disk.changes[2].id]);
        assert!(less.view(&other, &disk).is_ok(), "the others are shown");
    }
}
