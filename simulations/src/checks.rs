//! What must hold whatever happens. The first thing that does not ends the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{FeedId, ProjectId, RepoId, Root, WaypointId};
use cairn_crdt::{CrdtError, Frontier, View};
use cairn_protocol::hash::Topic;
use cairn_protocol::{Batch, DeviceKey, Event, Reject};

use crate::author::Files;
use crate::peer::Peer;
use crate::world::BRANCH;

mod forgetting;

pub use forgetting::Marked;

/// The author of what the copy of a peer's home writes.
pub const COPY: usize = usize::MAX;

/// What was promised so far, and the first promise that was broken.
#[derive(Debug, Default)]
pub struct Checks {
    /// The first violation, in words.
    pub violation: Option<String>,
    /// Keys whose waypoints may be applied.
    pub writers: BTreeSet<DeviceKey>,
    /// Gossip by its hash, so that a peer can pass it on.
    pub gossip: BTreeMap<Vec<u8>, (Topic, Vec<u8>)>,
    /// Writes that were acknowledged: by whom, and where they lie.
    acknowledged: BTreeMap<WaypointId, Place>,
    /// Marks that were set, by their waypoints.
    pub marks: BTreeMap<WaypointId, Marked>,
    /// Whether anybody forgets anything.
    pub forgets: bool,
    /// What each version shows, as the first peer saw it.
    roots: BTreeMap<Frontier, Root>,
    /// What a write was to show.
    expected: BTreeMap<WaypointId, Files>,
    /// How many waypoints were written.
    pub writes: u64,
    /// How many times a liar was caught.
    pub caught: u64,
    /// The feeds whose keys were copied.
    pub copied: BTreeMap<FeedId, Copied>,
    /// How many times a fork was told of.
    pub forks: u64,
}

/// Who wrote a waypoint, and where it lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    author: usize,
    feed: FeedId,
    /// From 0.
    place: u64,
}

/// Why a peer cannot show or say something.
#[derive(Debug)]
pub enum Unseen {
    /// It lacks this altogether.
    Nothing(&'static str),
    /// What the answer needs has faded or never came: a peer may say so.
    Refused(CrdtError),
    /// It cannot be written.
    Unwritten(String),
    /// Anything else.
    Wrong(CrdtError),
}

impl From<CrdtError> for Unseen {
    fn from(error: CrdtError) -> Self {
        match error {
            CrdtError::Faded(_) | CrdtError::Absent(_) | CrdtError::UnknownWaypoint(_) => {
                Self::Refused(error)
            }
            error => Self::Wrong(error),
        }
    }
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing(what) => write!(f, "no {what}"),
            Self::Unwritten(why) => f.write_str(why),
            Self::Refused(error) | Self::Wrong(error) => error.fmt(f),
        }
    }
}

/// A feed whose key was copied.
#[derive(Debug, Default)]
pub struct Copied {
    /// Who told of its fork.
    told: BTreeSet<usize>,
}

impl Checks {
    /// Notes that something does not hold.
    pub fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    /// A write is durable: from now on it must never be lost.
    pub fn acknowledged(&mut self, peer: usize, batch: &Batch) {
        for accepted in &batch.feeds {
            for (place, waypoint) in (accepted.start..).zip(accepted.waypoints()) {
                self.acknowledged.insert(waypoint.id(), Place { author: peer, feed: accepted.feed, place });
                self.writes += 1;
            }
        }
    }

    /// What a write is to show once it is applied.
    pub fn expect(&mut self, id: WaypointId, files: Files) {
        self.expected.insert(id, files);
    }

    /// A liar may be blamed by anybody; an honest peer is never blamed by an honest one.
    pub fn blamed(&mut self, peers: &[Peer], by: usize, blamed: Option<usize>, reason: &Reject) {
        self.caught += 1;
        if let Some(blamed) = blamed.filter(|blamed| !peers[*blamed].liar && !peers[by].liar) {
            self.violate(format!("honest peer {blamed} was blamed by {by}: {reason}"));
        }
    }

    /// Nothing of a key without rights is ever applied.
    pub fn event(&mut self, peer: &Peer, repo: RepoId, event: &Event) {
        if let Event::Received { project, feed, .. } = event
            && let Some(replica) = peer.service.replica(repo)
            && let Some(info) = replica.feeds(*project).into_iter().find(|info| info.feed == *feed)
            && !self.writers.contains(&info.key)
        {
            self.violate(format!(
                "peer {} applied waypoints of {:?}, who may not write",
                peer.index, info.key
            ));
        }
        if let Event::Forked { feed, .. } = event {
            self.forks += 1;
            match self.copied.get_mut(feed).map(|copied| copied.told.insert(peer.index)) {
                Some(true) => {}
                Some(false) => {
                    self.violate(format!("peer {} told twice that {feed:?} is forked", peer.index))
                }
                None => self.violate(format!("peer {} believes that {feed:?} was forked", peer.index)),
            }
        }
    }

    /// What was acknowledged is there after a crash.
    pub fn after_restart(&mut self, peer: &Peer, repo: RepoId, project: ProjectId) {
        let mut own = self.acknowledged.iter().filter(|(_, place)| place.author == peer.index);
        if let Some((id, _)) = own.find(|written| !holds(peer, (repo, project), *written, self.forgets)) {
            self.violate(format!("peer {} lost {id:?}, which was acknowledged", peer.index));
        }
    }

    /// A peer's branch: one version shows one root everywhere, and a write shows what was written.
    pub fn shown(&mut self, peer: &mut Peer, repo: RepoId, project: ProjectId) {
        let frontier = match peer.service.replica(repo) {
            Some(replica) => replica.branch(project, BRANCH),
            None => return,
        };
        let view = match look(peer, repo, project, &frontier) {
            Ok(view) => view,
            // What a late one got first may stand on what comes next, or on nothing that is left.
            Err(Unseen::Refused(_)) if self.forgets => return,
            Err(error) => {
                return self.violate(format!("peer {} cannot see {frontier:?}: {error}", peer.index));
            }
        };
        let known = *self.roots.entry(frontier.clone()).or_insert(view.root);
        if known != view.root {
            self.violate(format!("version {frontier:?} shows two roots; peer {} saw the second", peer.index));
        }
        if let [id] = frontier.heads()
            && let Some(expected) = self.expected.remove(id)
        {
            let files = files_of(peer, repo, project, &view);
            if !matches!(&files, Ok(files) if *files == expected) {
                self.violate(format!(
                    "{id:?} does not show what was written: {}",
                    difference(&expected, &files)
                ));
            }
        }
    }

    /// After all is mended, everybody has everything and sees the same.
    pub fn converged(&mut self, peers: &mut [Peer], repo: RepoId, project: ProjectId) {
        // What the copy of a home wrote may have reached nobody before the copy was gone.
        let forgets = self.forgets;
        let reached = |written: (&WaypointId, &Place)| {
            peers.iter().any(|peer| holds(peer, (repo, project), written, forgets))
        };
        self.acknowledged.retain(|id, place| place.author != COPY || reached((id, place)));
        let mut first: Option<(usize, Frontier, Vec<WaypointId>)> = None;
        for peer in peers.iter_mut().filter(|peer| !peer.liar) {
            let Some(replica) = peer.service.replica(repo) else {
                return self.violate(format!("peer {} never got the repo", peer.index));
            };
            let frontier = replica.branch(project, BRANCH);
            let held: Vec<WaypointId> = replica.held(project).into_iter().map(|(id, _)| id).collect();
            if let Some((lost, _)) =
                self.acknowledged.iter().find(|written| !holds(peer, (repo, project), *written, forgets))
            {
                return self.violate(format!("peer {} never got {lost:?}", peer.index));
            }
            let (index, known, back) =
                first.get_or_insert_with(|| (peer.index, frontier.clone(), held.clone()));
            if *known != frontier {
                let text = format!("peers {index} and {} end at {known:?} and {frontier:?}", peer.index);
                return self.violate(text);
            }
            if *back != held {
                let text = format!("peers {index} and {} hold back {back:?} and {held:?}", peer.index);
                return self.violate(text);
            }
            self.shown(peer, repo, project);
        }
    }
}

/// Whether a peer has a waypoint. Where things are forgotten, what lies on its disk counts: late work whose parents are gone
/// is kept and passed on, though nothing can be shown of it there.
fn holds(
    peer: &Peer,
    (repo, project): (RepoId, ProjectId),
    (id, at): (&WaypointId, &Place),
    forgets: bool,
) -> bool {
    let documents = peer.service.replica(repo).and_then(|replica| replica.documents(project));
    let image = peer.disk.image(repo).filter(|_| forgets);
    documents.is_some_and(|documents| documents.contains(id))
        || image.is_some_and(|image| image.holds(at.feed, at.place, id))
}

/// What a version shows to a peer.
pub fn look(
    peer: &mut Peer,
    repo: RepoId,
    project: ProjectId,
    frontier: &Frontier,
) -> Result<Arc<View>, Unseen> {
    let replica = peer.service.replica_mut(repo).ok_or(Unseen::Nothing("repo"))?;
    let image = peer.disk.image(repo).ok_or(Unseen::Nothing("image"))?;
    Ok(replica.view(project, frontier, image)?)
}

/// The files of a view with their bytes.
pub fn files_of(peer: &mut Peer, repo: RepoId, project: ProjectId, view: &View) -> Result<Files, Unseen> {
    let replica = peer.service.replica_mut(repo).ok_or(Unseen::Nothing("repo"))?;
    let image = peer.disk.image(repo).ok_or(Unseen::Nothing("image"))?;
    let mut files = Files::new();
    for path in view.files.keys() {
        let bytes = replica.bytes(project, view, path, image)?;
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}

fn difference(expected: &Files, found: &Result<Files, Unseen>) -> String {
    let found = match found {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let paths: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let differs = |path: &&&cairn_crdt::path::RepoPath| expected.get(**path) != found.get(**path);
    let text = |bytes: Option<&Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match paths.iter().find(differs) {
        Some(path) => {
            format!("{path}: wrote {:?}, shows {:?}", text(expected.get(*path)), text(found.get(*path)))
        }
        None => "nothing".to_owned(),
    }
}
