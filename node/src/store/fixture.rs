//! Authors that write batches, for tests of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, WaypointId};
use cairn_protocol::entry::{Entry, Payload};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::log::Log;
use cairn_protocol::piece::Piece;
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::{Labels, Waypoint};
use cairn_protocol::{Accepted, Batch, FeedName, Keypair, Signed, Stamp, project_id};

use super::Store;
use crate::error::NodeError;
use crate::files::fault::{FaultFiles, Kept, Plan};

pub(crate) const PROJECT: &str = "@ada/engine";

/// Where the store of a test lies.
pub(crate) fn dir() -> PathBuf {
    PathBuf::from("/home/repos/one")
}

/// Writes one feed.
pub(crate) struct Author {
    pub(crate) key: Keypair,
    pub(crate) founding: Signed<FoundingRecord>,
    pub(crate) feed: FeedName,
    pub(crate) log: Log,
    parent: Option<WaypointId>,
    /// Every content that was written, waypoint by waypoint.
    pub(crate) contents: Vec<Vec<Vec<u8>>>,
    pub(crate) ids: Vec<WaypointId>,
    pub(crate) waypoints: Vec<Arc<Waypoint>>,
}

impl Author {
    pub(crate) fn new(seed: u8) -> Self {
        let founder = Keypair::from_secret(&[1; 32]);
        let record = FoundingRecord {
            name: "one".to_owned(),
            public: false,
            founders: vec![founder.key()],
            nonce: [3; 16],
            stamp: Stamp::default(),
        };
        let founding = record.sign(&founder).unwrap().into_signed();
        let repo = founding.repo();
        let key = Keypair::from_secret(&[seed; 32]);
        let feed = FeedName { repo, project: project_id(repo, PROJECT), key: key.key() };
        let (log, parent, contents, ids, waypoints) = (Log::new(), None, Vec::new(), Vec::new(), Vec::new());
        Self { key, founding, feed, log, parent, contents, ids, waypoints }
    }

    /// Writes `count` waypoints with two contents each as one batch.
    pub(crate) fn batch(&mut self, count: u64) -> Batch {
        let start = self.log.len();
        let waypoints: Vec<_> = (0..count).map(|_| self.waypoint()).collect();
        let run = self.run(start, waypoints);
        Batch { projects: vec![PROJECT.to_owned()], feeds: vec![run], ..Batch::new(self.feed.repo) }
    }

    /// A batch that carries again what was written before.
    pub(crate) fn again(&self, start: u64, count: u64) -> Batch {
        let waypoints = self.waypoints[start as usize..(start + count) as usize].to_vec();
        Batch { feeds: vec![self.run(start, waypoints)], ..Batch::new(self.feed.repo) }
    }

    fn run(&self, start: u64, waypoints: Vec<Arc<Waypoint>>) -> Accepted {
        let top = Top { feed: self.feed, n: self.log.len(), root: self.log.root(), grants: Vec::new() };
        let top = top.sign(&self.key).unwrap();
        let (project, feed, key) = (self.feed.project, self.feed.id(), self.key.key());
        let pieces = waypoints.into_iter().map(Piece::Waypoint).collect();
        Accepted { project, feed, key, start, pieces, top }
    }

    fn waypoint(&mut self) -> Arc<Waypoint> {
        let seq = self.log.len() + 1;
        let contents: Vec<Vec<u8>> = (0..2u64).map(|side| self.content(seq, side)).collect();
        let entry = |content: &Vec<u8>| Entry::new([7; 16], &Payload::Content(content.clone()));
        let mut entries: Vec<Entry> = contents.iter().map(entry).collect();
        entries.push(Entry::new([8; 16], &Payload::Message(format!("the {seq}th"))));
        let labels = Labels {
            feed: self.feed,
            seq,
            stamp: Stamp { wall_ms: seq, counter: 0 },
            continued: false,
            parents: self.parent.into_iter().collect(),
            grants: Vec::new(),
        };
        let waypoint = Arc::new(Waypoint::new(labels, entries).unwrap());
        self.log.append(&waypoint.id());
        self.parent = Some(waypoint.id());
        self.ids.push(waypoint.id());
        self.contents.push(contents);
        self.waypoints.push(waypoint.clone());
        waypoint
    }

    /// Bytes that do not compress to nothing, some of them longer than a sector.
    fn content(&self, seq: u64, side: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let name = [&self.key.key().as_bytes()[..], &seq.to_le_bytes(), &side.to_le_bytes()].concat();
        blake3::Hasher::new().update(&name).finalize_xof().fill({
            bytes.resize(100 + 300 * ((seq + side) % 4) as usize, 0);
            &mut bytes
        });
        bytes
    }

    /// Checks that a store holds exactly the first `n` waypoints of this author, byte for byte.
    pub(crate) fn check(&self, store: &Store, n: u64) {
        let feed = self.feed.id();
        assert_eq!(store.feed_length(feed), n);
        let bodies = store.pieces(self.feed.project, feed, 0, n, u64::MAX).unwrap();
        assert_eq!(bodies.len() as u64, n);
        for (index, body) in bodies.iter().enumerate() {
            assert_eq!(self.waypoints[index].to_bytes(), *body);
            for content in &self.contents[index] {
                assert_eq!(*store.content(ContentHash::of(content)).unwrap(), content[..]);
            }
        }
    }
}

/// Makes the store of an author's repo, and the folders above it.
pub(crate) fn create(files: &FaultFiles, author: &Author) -> Result<Store, NodeError> {
    use crate::files::Files;
    let made = files.create_dir(Path::new("/home/repos")).and_then(|()| files.sync_dir(Path::new("/home")));
    made.and_then(|()| files.sync_dir(Path::new("/")))
        .map_err(|error| NodeError::io("create", Path::new("/home"), error))?;
    Store::create(Arc::new(files.clone()), &dir(), &author.founding)
}

/// Lets a story crash at each of its steps, and shows what each of three disks has kept then, together with the author and
/// words that tell which crash it was. A crash before the author had written `count` waypoints is passed over.
pub(crate) fn each_crash<T>(
    story: fn(&FaultFiles, &mut Author) -> Result<T, NodeError>,
    count: u64,
    check: impl Fn(&FaultFiles, &Author, &str),
) {
    let files = FaultFiles::default();
    story(&files, &mut Author::new(1)).unwrap();
    for step in 1..=files.steps() {
        let files = FaultFiles::default();
        files.plan(Plan { crash_at: Some(step), ..Plan::default() });
        let mut author = Author::new(1);
        if story(&files, &mut author).is_ok() || author.log.len() < count {
            continue;
        }
        for kept in [Kept::None, Kept::All, Kept::Some(step)] {
            check(&files.crash(kept), &author, &format!("crash at {step}, kept {kept:?}"));
        }
    }
}

/// Opens the store of an author's repo.
pub(crate) fn open(files: &FaultFiles) -> Result<(Store, super::Recovered), NodeError> {
    Store::open(Arc::new(files.clone()), &dir())
}
