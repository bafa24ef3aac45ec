//! Feeds as short as a manifest can say them: most belong to agents that came once and of whose work one hash is left.
//!
//! What can be derived is left out: the feed's name, the repo, where stones begin and what their files are called, and
//! the root that the author signed, where it is that of the stones. What many say alike is said once, before them all.
//!
//! ```text
//! heads   count, then lists of grant ids: what tops name
//! feeds   count, then of each:
//!         flags (u8)           1 a side: its local name follows; 2 as in level 1, and nothing else but its relics;
//!                              4 the root follows behind the signature; 8 relics follow at the end
//!         project (count)      its number among the projects
//!         key (32)  n (count)  heads (count), the number of the list
//!         signature (64)
//!         stones               count, then of each: level + 128 without a file, + 64 with a file of another name (u8),
//!                              subtree (32), and with a file: its bytes (count), its name or the 8 bytes in which it ends
//! ```

use std::collections::BTreeSet;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{FeedId, ProjectId, RepoId};
use cairn_protocol::hash::{GrantId, LogHash};
use cairn_protocol::key::{DeviceKey, Signature};
use cairn_protocol::limits::{FEED_LEVEL_MAX, GRANT_HEADS_COUNT_MAX, STONE_LEVEL_MAX, TOPS_COUNT_MAX};
use cairn_protocol::top::Top;
use cairn_protocol::tower::Span;
use cairn_protocol::{FeedName, Signed, project_id};

use super::{FeedRecord, STONES_COUNT_MAX, StoneRecord, read_text};
use crate::store::recover::tower_root;
use crate::store::stones::{ending_of, file_name};

const SIDE: u8 = 1;
const FULL: u8 = 2;
const ROOT: u8 = 4;
const RELICS: u8 = 8;
/// Of a stone: it has no file.
const HOLLOW: u8 = 128;
/// Of a stone: its file has a name that does not follow from it.
const NAMED: u8 = 64;
/// The most bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 56;

/// What all feeds of a manifest share.
pub(super) struct Shared {
    repo: RepoId,
    projects: Vec<ProjectId>,
    heads: Vec<Vec<GrantId>>,
}

impl Shared {
    fn new(repo: RepoId, projects: &[String], heads: Vec<Vec<GrantId>>) -> Self {
        Self { repo, projects: projects.iter().map(|name| project_id(repo, name)).collect(), heads }
    }
}

/// Writes the feeds of a repo's manifest.
pub(super) fn write(out: &mut Writer, repo: RepoId, projects: &[String], feeds: &[FeedRecord]) {
    let heads: BTreeSet<&[GrantId]> = feeds.iter().map(|record| &*record.top.claimed().grants).collect();
    let heads: Vec<Vec<GrantId>> = heads.into_iter().map(<[GrantId]>::to_vec).collect();
    out.count(heads.len() as u64);
    heads.iter().for_each(|heads| out.list(heads));
    let shared = Shared::new(repo, projects, heads);
    out.count(feeds.len() as u64);
    feeds.iter().for_each(|record| shared.write(out, record));
}

/// Reads the feeds of a repo's manifest.
pub(super) fn read(input: &mut Reader<'_>, repo: RepoId, projects: &[String]) -> Decode<Vec<FeedRecord>> {
    let mut heads = Vec::new();
    for _ in 0..input.count(TOPS_COUNT_MAX as u64)? {
        heads.push(input.list(GRANT_HEADS_COUNT_MAX)?);
    }
    let shared = Shared::new(repo, projects, heads);
    let mut feeds = Vec::new();
    for _ in 0..input.count(TOPS_COUNT_MAX as u64)? {
        feeds.push(shared.read(input)?);
    }
    Ok(feeds)
}

impl Shared {
    fn write(&self, out: &mut Writer, record: &FeedRecord) {
        let relics = if record.relics.is_empty() { 0 } else { RELICS };
        match self.numbers(record) {
            None => {
                out.u8(FULL | relics);
                record.write(out);
            }
            Some((project, heads)) => {
                let top = record.top.claimed();
                let side = if record.feed == top.feed_id() { 0 } else { SIDE };
                let root = if root_of(&record.stones, top.n) == Some(top.root) { 0 } else { ROOT };
                out.u8(side | root | relics);
                if side > 0 {
                    record.feed.write(out);
                }
                out.count(project as u64);
                top.feed.key.write(out);
                out.count(top.n);
                out.count(heads as u64);
                record.top.signature().write(out);
                if root > 0 {
                    top.root.write(out);
                }
                out.count(record.stones.len() as u64);
                record.stones.iter().for_each(|stone| write_stone(out, top.feed, stone));
            }
        }
        if relics > 0 {
            out.list(&record.relics);
        }
    }

    /// The numbers of a feed's project and of the heads in its top, where it can be written short.
    fn numbers(&self, record: &FeedRecord) -> Option<(usize, usize)> {
        let top = record.top.claimed();
        let project = self.projects.iter().position(|project| *project == top.feed.project)?;
        let heads = self.heads.binary_search(&top.grants).ok()?;
        (top.feed.repo == self.repo && follow(&record.stones)).then_some((project, heads))
    }

    fn read(&self, input: &mut Reader<'_>) -> Decode<FeedRecord> {
        let at = input.clone();
        let flags = input.u8()?;
        at.require(flags & !(SIDE | FULL | ROOT | RELICS) == 0, "flags of a feed")?;
        let mut record = match flags & FULL > 0 {
            true => FeedRecord::read(input)?,
            false => self.read_short(input, flags)?,
        };
        if flags & RELICS > 0 {
            record.relics = input.list(STONES_COUNT_MAX)?;
        }
        Ok(record)
    }

    fn read_short(&self, input: &mut Reader<'_>, flags: u8) -> Decode<FeedRecord> {
        let at = input.clone();
        let side = if flags & SIDE > 0 { Some(FeedId::read(input)?) } else { None };
        let project = number(input, &self.projects)?;
        let feed = FeedName { repo: self.repo, project: *project, key: DeviceKey::read(input)? };
        let n = input.count(1 << FEED_LEVEL_MAX)?;
        at.require(n > 0, "length of a feed")?;
        let grants = number(input, &self.heads)?.clone();
        let signature = Signature::read(input)?;
        let root = if flags & ROOT > 0 { Some(LogHash::read(input)?) } else { None };
        let stones = read_stones(input, feed)?;
        let root = root.or_else(|| root_of(&stones, n));
        let root = root.ok_or_else(|| at.error(Problem::Invalid("root of a feed")))?;
        let top = Signed::from_parts(Top { feed, n, root, grants }, signature);
        Ok(FeedRecord { feed: side.unwrap_or(feed.id()), top, stones, relics: Vec::new() })
    }
}

/// One of those that a number may mean.
fn number<'a, T>(input: &mut Reader<'_>, of: &'a [T]) -> Decode<&'a T> {
    let at = input.clone();
    let number = input.count(of.len() as u64)?;
    of.get(number as usize).ok_or_else(|| at.error(Problem::Invalid("number")))
}

/// Whether stones follow each other from the first place on.
fn follow(stones: &[StoneRecord]) -> bool {
    let mut end = 0;
    stones.iter().all(|stone| std::mem::replace(&mut end, stone.span.end()) == stone.span.start)
}

/// The root over stones that come to `n` waypoints.
fn root_of(stones: &[StoneRecord], n: u64) -> Option<LogHash> {
    let end = stones.last().map_or(0, |stone| stone.span.end());
    (end == n).then(|| tower_root(stones).ok()).flatten()
}

fn write_stone(out: &mut Writer, feed: FeedName, stone: &StoneRecord) {
    let ending = ending_of(&stone.file).filter(|ending| file_name(feed, stone.span, *ending) == stone.file);
    let kind = match (stone.gone(), ending) {
        (Some(_), _) => HOLLOW,
        (None, Some(_)) => 0,
        (None, None) => NAMED,
    };
    out.u8(stone.span.level | kind);
    stone.subtree.write(out);
    if kind != HOLLOW {
        out.count(stone.bytes);
        match ending {
            Some(ending) => out.raw(&ending),
            None => out.bytes(stone.file.as_bytes()),
        }
    }
}

fn read_stones(input: &mut Reader<'_>, feed: FeedName) -> Decode<Vec<StoneRecord>> {
    let (mut stones, mut start) = (Vec::new(), 0);
    for _ in 0..input.count(STONES_COUNT_MAX as u64)? {
        let at = input.clone();
        let kind = input.u8()?;
        let span = Span { start, level: kind & !(HOLLOW | NAMED) };
        at.require(span.level <= STONE_LEVEL_MAX && start < 1 << FEED_LEVEL_MAX, "place of a stone")?;
        let subtree = LogHash::read(input)?;
        start = span.end();
        stones.push(match kind & HOLLOW > 0 {
            true => StoneRecord::hollow(span, subtree),
            false => {
                let bytes = input.count(FILE_BYTES_MAX)?;
                let file = match kind & NAMED > 0 {
                    true => read_text(input)?,
                    false => file_name(feed, span, input.array()?),
                };
                at.require(!file.is_empty(), "name of a stone")?;
                StoneRecord { span, subtree, bytes, file }
            }
        });
    }
    Ok(stones)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::fault::FaultFiles;
    use crate::store::fixture::{Author, create, open};
    use crate::store::manifest::Manifest;
    use cairn_protocol::replica::Fading;

    /// A store of which two feeds are whole and one is gone.
    fn story() -> (FaultFiles, Manifest, FeedId) {
        let (files, mut whole, mut gone) = (FaultFiles::default(), Author::new(1), Author::new(2));
        let mut store = create(&files, &whole).unwrap();
        store.commit(&whole.batch(21)).unwrap();
        store.commit(&gone.batch(8)).unwrap();
        store.cut().unwrap();
        let feed = gone.feed.id();
        store.fade(&Fading { gone: [(feed, (0..8).collect())].into(), ..Fading::default() }).unwrap();
        store.commit(&whole.batch(3)).unwrap();
        (files, store.manifest.clone(), feed)
    }

    #[test]
    fn a_feed_of_which_one_hash_is_left_has_no_file_and_is_short() {
        let (files, manifest, feed) = story();
        let record = manifest.feeds.iter().find(|record| record.feed == feed).unwrap();
        assert!(matches!(&record.stones[..], [stone] if stone.gone().is_some()), "{record:?}");
        let mut less = manifest.clone();
        less.feeds.retain(|record| record.feed != feed);
        let bytes = manifest.to_bytes().len() - less.to_bytes().len();
        assert_eq!(bytes, 1 + 1 + 32 + 1 + 1 + 64 + 1 + 33);
        let (store, recovered) = open(&files).unwrap();
        assert_eq!(recovered.feeds.iter().map(|feed| feed.skeletons.len()).sum::<usize>(), 25);
        assert!(store.verify(true).is_ok(), "{:?}", store.verify(true).problems);
    }

    #[test]
    fn what_is_written_short_reads_as_it_was() {
        let (_, mut manifest, feed) = story();
        let again = |manifest: &Manifest| Manifest::from_bytes(&manifest.to_bytes()).unwrap().feeds;
        let same = |manifest: &Manifest| format!("{:?}", again(manifest)) == format!("{:?}", manifest.feeds);
        assert!(same(&manifest));
        let record = manifest.feeds.iter_mut().find(|record| record.feed != feed).unwrap();
        record.relics = record.stones.clone();
        record.stones[1].file = "another.sst".to_owned();
        assert!(same(&manifest), "a file of another name, relics, a top above the stones");
        manifest.feeds[0].feed = FeedId([7; 32]);
        manifest.feeds[1].stones.remove(0);
        assert!(same(&manifest), "a side, and stones that leave a gap");
        manifest.projects.clear();
        assert!(same(&manifest), "a feed of no project");
    }

    #[test]
    fn a8_what_is_cut_short_or_flipped_is_an_error_or_another_manifest() {
        let (_, manifest, _) = story();
        let bytes = manifest.to_bytes();
        for end in 0..bytes.len() {
            assert!(Manifest::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0xff;
            let _ = Manifest::from_bytes(&bad);
        }
    }
}
