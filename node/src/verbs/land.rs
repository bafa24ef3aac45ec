//! Landing: what many worktrees have to say becomes durable together.
//!
//! `post` and `put` of several worktrees go through the same steps side by side. All drafts are made first and become durable
//! with one sync of the log; then all put up where they stand, each in its own worktree, and those syncs are waited for
//! at once; then files are written. So with many agents a sync is shared by all who wait, a merge of
//! what landed is worked out once for all, and nobody is told anything before his own work is on the disk.
//! What goes wrong for one of them is no matter of the others.

use std::collections::BTreeMap;
use std::thread;

use crate::error::NodeError;
use crate::owner::{Owner, Write};
use crate::verbs::artifact::quota::explained;
use crate::verbs::put::Putting;
use crate::verbs::site::{Brought, Posted, Posting, Ready};
use crate::verbs::{Answer, Network, Request, Site, post, put};
use crate::worktree::Worktree;

/// How many threads wait for the disk.
const THREADS_MAX: usize = 16;

/// What lands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Errand<'a> {
    /// A post of what changed on disk.
    Post(&'a post::Args),
    /// A merge; what changed on disk is posted first.
    Put(&'a put::Args),
}

impl<'a> Errand<'a> {
    /// A request that can land with others: it asks nobody and changes nothing but its own worktree and its branch.
    pub(crate) fn of(request: &'a Request) -> Option<Self> {
        match request {
            Request::Post(args) if args.from.is_empty() => Some(Self::Post(args)),
            Request::Put(args) if args.peers.is_empty() && args.uris.is_empty() => Some(Self::Put(args)),
            _ => None,
        }
    }

    fn open(self, owner: &Owner) -> Result<Site, NodeError> {
        match self {
            Self::Post(args) => Site::open(owner, &args.here),
            Self::Put(args) => Site::open(owner, &args.here),
        }
    }
}

/// What of a worktree is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsaved {
    Nothing,
    Link,
    Index,
    Both,
}

/// One worktree, on its way.
struct Member<'a> {
    errand: Errand<'a>,
    site: Site,
    putting: Putting,
    ready: Option<Ready>,
    posted: Option<Posted>,
    underway: bool,
    unsaved: Unsaved,
}

/// A member, until something went wrong for it.
type Slot<'a> = Result<Member<'a>, NodeError>;

/// Does one errand.
pub(crate) fn alone(
    owner: &mut Owner,
    network: &mut dyn Network,
    errand: Errand<'_>,
) -> Result<Answer, NodeError> {
    together(owner, network, &[errand]).pop().unwrap_or(Err(NodeError::Bug("an errand without an answer")))
}

/// Does errands together; the answers come in their order. A second errand of one worktree waits for the first.
pub(crate) fn together(
    owner: &mut Owner,
    network: &mut dyn Network,
    errands: &[Errand<'_>],
) -> Vec<Result<Answer, NodeError>> {
    let mut answers = BTreeMap::new();
    let mut waiting: Vec<usize> = (0..errands.len()).collect();
    while !waiting.is_empty() {
        let (mut roots, mut places, mut sites, mut later) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for at in waiting {
            let site = errands[at].open(owner);
            let root = site.as_ref().ok().map(|site| site.root().to_owned());
            if root.is_some() && roots.contains(&root) {
                later.push(at);
                continue;
            }
            roots.push(root);
            places.push(at);
            sites.push(site.map(|site| (errands[at], site)));
        }
        answers.extend(places.into_iter().zip(side_by_side(owner, network, sites)));
        waiting = later;
    }
    let explained = |answer: Result<_, _>| answer.map_err(|error| explained(owner, network, error));
    answers.into_values().map(explained).collect()
}

/// All steps, for worktrees of which no two are the same.
fn side_by_side(
    owner: &mut Owner,
    network: &mut dyn Network,
    sites: Vec<Result<(Errand<'_>, Site), NodeError>>,
) -> Vec<Result<Answer, NodeError>> {
    let begun = sites.into_iter().map(|site| {
        let (errand, site) = site?;
        Member::begin(owner, network, errand, site)
    });
    let mut slots: Vec<Slot<'_>> = begun.collect();
    write(owner, &mut slots);
    each(&mut slots, |member| member.set_out(owner, network));
    at_once(&mut slots, |member| member.save());
    // What no thread was to be had for: in the second case with all else that goes alone.
    each(&mut slots, |member| member.save());
    let mut brought = Brought::default();
    each(&mut slots, |member| member.bring(owner, &mut brought));
    at_once(&mut slots, |member| member.go(&brought));
    each(&mut slots, |member| member.go_alone(owner, network));
    slots.into_iter().map(|slot| slot?.answer(owner, network)).collect()
}

/// Takes all members one step on.
fn each(slots: &mut [Slot<'_>], mut step: impl FnMut(&mut Member<'_>) -> Result<(), NodeError>) {
    for slot in slots {
        if let Ok(member) = slot
            && let Err(error) = step(member)
        {
            *slot = Err(error);
        }
    }
}

/// Writes what all have to write, repo by repo.
fn write(owner: &mut Owner, slots: &mut [Slot<'_>]) {
    let mut repos = BTreeMap::<_, (Vec<usize>, Vec<Write>, Vec<u64>)>::new();
    for (at, slot) in slots.iter_mut().enumerate() {
        if let Ok(member) = slot
            && let Some(Ready { write, files }) = member.ready.take()
        {
            let (places, writes, counts) = repos.entry(member.site.place.repo).or_default();
            places.push(at);
            writes.push(write);
            counts.push(files);
        }
    }
    for (repo, (places, writes, counts)) in repos {
        let written = owner.write_together(repo, writes);
        for ((at, files), written) in places.into_iter().zip(counts).zip(written) {
            match (slots.get_mut(at), written) {
                (Some(Ok(member)), Ok(written)) => member.posted = Some(Posted { written, files }),
                (Some(slot), Err(error)) => *slot = Err(error),
                _ => {}
            }
        }
    }
}

/// Takes all members one step on at once, so that they wait for the disk together. Where there is no thread to be had, some
/// are not taken on.
fn at_once(slots: &mut [Slot<'_>], step: impl Fn(&mut Member<'_>) -> Result<(), NodeError> + Sync) {
    let share = slots.len().div_ceil(THREADS_MAX).max(1);
    thread::scope(|scope| {
        let mut shares = slots.chunks_mut(share);
        // This thread has its share too: one member needs no other.
        let own = shares.next();
        let step = &step;
        for share in shares {
            drop(thread::Builder::new().spawn_scoped(scope, move || each(share, step)));
        }
        own.into_iter().for_each(|share| each(share, step));
    });
}

impl Unsaved {
    fn save(self, worktree: &mut Worktree) -> Result<(), NodeError> {
        match self {
            Self::Nothing => Ok(()),
            Self::Link => worktree.save_link(),
            Self::Index => worktree.save_index(),
            Self::Both => worktree.save(),
        }
    }
}

impl<'a> Member<'a> {
    /// Drafts what changed on disk.
    fn begin(
        owner: &mut Owner,
        network: &mut dyn Network,
        errand: Errand<'a>,
        mut site: Site,
    ) -> Result<Self, NodeError> {
        let (putting, ready) = match errand {
            Errand::Post(args) => (Putting::default(), post::ready(owner, network, args, &mut site)?),
            Errand::Put(args) => put::ready(owner, network, args, &mut site)?,
        };
        let (posted, underway, unsaved) = (None, false, Unsaved::Index);
        Ok(Self { errand, site, putting, ready, posted, underway, unsaved })
    }

    /// Stands on what was posted, and sets out for what it is to be merged with.
    fn set_out(&mut self, owner: &mut Owner, network: &mut dyn Network) -> Result<(), NodeError> {
        if let Some(posted) = &self.posted {
            let (branch, paths, local) = match self.errand {
                Errand::Post(args) => (
                    args.uri.as_deref().map(post::branch).transpose()?,
                    post::paths(&self.site, &args.paths)?,
                    args.local,
                ),
                Errand::Put(_) => (None, Vec::new(), false),
            };
            let posting = Posting { branch: branch.as_deref(), paths: &paths, local, message: None };
            self.site.stand_on(posted.written.waypoint, &posting);
            self.unsaved = Unsaved::Both;
        }
        if let Errand::Put(args) = self.errand {
            let out = self.putting.set_out(owner, network, args, &mut self.site);
            if out.is_err() && self.posted.is_some() {
                // What was posted is stood on, whatever it could not be merged with.
                self.site.worktree.save()?;
            }
            self.underway = out?;
        }
        if self.underway {
            // What was seen is written down when the files are there.
            self.unsaved = Unsaved::Link;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), NodeError> {
        std::mem::replace(&mut self.unsaved, Unsaved::Nothing).save(&mut self.site.worktree)
    }

    fn bring(&mut self, owner: &mut Owner, brought: &mut Brought) -> Result<(), NodeError> {
        if self.underway {
            self.putting.bring(owner, &self.site, brought)?;
        }
        Ok(())
    }

    /// Writes the files from what was brought, and stands there.
    fn go(&mut self, brought: &Brought) -> Result<(), NodeError> {
        if self.underway && self.putting.go(&mut self.site, brought)? {
            self.underway = false;
            self.site.worktree.save()?;
        }
        Ok(())
    }

    /// Goes the way of one whose files need more than was brought, or that somebody changes meanwhile.
    fn go_alone(&mut self, owner: &mut Owner, network: &mut dyn Network) -> Result<(), NodeError> {
        match self.underway {
            true => self.putting.go_alone(owner, network, &mut self.site),
            false => Ok(()),
        }
    }

    fn answer(self, owner: &mut Owner, network: &mut dyn Network) -> Result<Answer, NodeError> {
        let Self { errand, site, putting, posted, .. } = self;
        match errand {
            Errand::Post(args) => post::answer(owner, &site, posted, args.local).map(Answer::Post),
            Errand::Put(args) => putting.answer(owner, network, args, &site, posted).map(Answer::Put),
        }
    }
}
