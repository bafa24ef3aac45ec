//! Peers mark, begin epochs, forget, cut and merge stones, die and start again, part and meet; one comes when much is
//! forgotten. In the end all have the same of every feed, each mark restores to the root that it signed, and nothing that
//! anybody proves contradicts what was seen before.

use std::collections::BTreeMap;

use cairn_crdt::id::{FeedId, WaypointId};
use cairn_crdt::{CrdtError, Draft, Frontier};
use cairn_protocol::entry::{Edge, EdgeKind};
use cairn_protocol::grant::Role;
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::replica::Retention;
use cairn_protocol::retention::Thinning;
use cairn_protocol::tower::Policy;
use cairn_protocol::{Accepted, Labels, Post};

use crate::checks::{Marked, Unseen, look};
use crate::world::{Act, BRANCH, World};

/// So long is one round of a story.
const ROUND_MS: u64 = 240_000;
const MINUTE_MS: u64 = 60_000;

pub(super) fn play(world: &mut World) {
    world.checks.forgets = true;
    let late = world.peers.len() - 1;
    for peer in 1..late {
        let delay_ms = world.rng.between(1, 2_000);
        // Two admins may begin epochs side by side.
        world.invite_as(peer, if peer == 1 { Role::Admin } else { Role::Write }, delay_ms);
    }
    world.busy(8, 20_000);
    world.run_for(40_000);
    for _ in 0..3 {
        world.forgetful_round(late);
    }
    world.invite(late, 100);
    world.forgetful_round(late);
}

impl World {
    /// Everything at once for a while, among all but the late one.
    fn forgetful_round(&mut self, late: usize) {
        if self.rng.chance(50) {
            let half: Vec<usize> = (0..self.peers.len() / 2).collect();
            self.later(1, Act::Cut(half));
            let mended_ms = self.rng.between(1_000, ROUND_MS);
            self.later(mended_ms, Act::Heal);
        }
        let edits = self.rng.between(2, 10);
        self.busy(edits, ROUND_MS);
        for _ in 0..self.rng.between(4, 14) {
            let peer = self.rng.below(late as u64) as usize;
            let act = match self.rng.below(10) {
                0 | 1 => Act::Mark(self.rng.below(2) as usize % late, false),
                2 => Act::Mark(peer, true),
                3..6 => Act::Fade(peer),
                6 | 7 => Act::Compact(peer),
                8 => Act::Carry(peer),
                _ => Act::CrashAtPersist(peer),
            };
            let delay_ms = self.rng.below(ROUND_MS);
            self.later(delay_ms, act);
        }
        self.run_for(ROUND_MS);
    }

    /// A peer marks what its branch shows; an admin begins an epoch with that, unless it is only to pin.
    pub(crate) fn mark(&mut self, index: usize, pin: bool) {
        match self.try_mark(index, pin) {
            Ok(()) => {}
            Err(Unseen::Refused(_)) => self.note(&format!("{index} cannot show what it would mark")),
            Err(error) => self.checks.violate(format!("peer {index} cannot mark: {error}")),
        }
    }

    fn try_mark(&mut self, index: usize, pin: bool) -> Result<(), Unseen> {
        let (repo, project) = (self.repo, self.project);
        let now_ms = self.peers[index].clock(self.now_ms);
        let Some((tip, is_admin)) = self.may_write(index, now_ms) else { return Ok(()) };
        let root = look(&mut self.peers[index], repo, project, &tip)?.root;
        let peer = &mut self.peers[index];
        let image = peer.disk.image(repo).ok_or(Unseen::Nothing("image"))?;
        let replica = peer.service.replica_mut(repo).ok_or(Unseen::Nothing("repo"))?;
        let tops = replica.feeds(project).into_iter().filter_map(|info| Some((info.feed, info.top?)));
        let feeds = feeds_root(&tops.map(|(feed, top)| (feed, top.n, top.root)).collect::<Vec<_>>());
        let name = format!("v{index}-{now_ms}");
        let frontier = tip.heads().to_vec();
        let mark = Mark {
            name: name.clone(),
            message: "a state".to_owned(),
            frontier,
            root,
            feeds,
            class: None,
            hold: None,
        };
        let mut labels = Labels { mark: Some(mark), ..Labels::default() };
        let documents = replica.documents_mut(project).ok_or(Unseen::Nothing("documents"))?;
        let draft = match documents.snapshot(&tip, image) {
            Ok(draft) if is_admin && !pin => {
                labels.epoch = Some(replica.epoch_on(project, &tip, root));
                labels.branch = Some(BRANCH.to_owned());
                draft
            }
            Ok(_) | Err(CrdtError::Unsettled(_)) => Draft::default(),
            Err(error) => return Err(error.into()),
        };
        let begins = labels.epoch.is_some();
        let id = self.sign(index, tip.clone(), draft, labels)?;
        self.note(&format!("{index} marks {tip:?}{}", if begins { " and begins an epoch" } else { "" }));
        self.checks.marks.insert(id, Marked { by: index, name, root });
        Ok(())
    }

    /// What a peer's branch shows, if it may write on it now, and whether it is an admin.
    fn may_write(&self, index: usize, now_ms: u64) -> Option<(Frontier, bool)> {
        let (peer, project) = (&self.peers[index], self.project);
        let replica = peer.service.replica(self.repo).filter(|_| peer.up)?;
        let may = |role| replica.grants().may(&peer.key(), role, project, now_ms);
        let tip = replica.branch(project, BRANCH);
        let is_free = !replica.is_writing(project, &peer.key()) && may(Role::Write) && !tip.is_empty();
        is_free.then(|| (tip, may(Role::Admin)))
    }

    /// Signs and writes; the waypoint.
    fn sign(
        &mut self,
        index: usize,
        parents: Frontier,
        draft: Draft,
        labels: Labels,
    ) -> Result<WaypointId, Unseen> {
        let (entropy, project) = (self.rng.bytes(), self.project);
        let peer = &mut self.peers[index];
        let now_ms = peer.clock(self.now_ms);
        let replica = peer.service.replica_mut(self.repo).ok_or(Unseen::Nothing("repo"))?;
        let post = Post { project, key: &peer.keypair, parents, draft, labels, now_ms, entropy };
        let batch = replica.write(post).map_err(|error| Unseen::Unwritten(error.to_string()))?;
        let last = batch.feeds.iter().flat_map(Accepted::waypoints).last().map(|waypoint| waypoint.id());
        self.write(index, batch);
        last.ok_or(Unseen::Nothing("waypoint"))
    }

    /// A peer forgets, and reads what is left from its disk as a node does.
    pub(crate) fn fade(&mut self, index: usize) {
        if self.peers[index].up && self.peers[index].disk.is_busy() {
            // A node forgets between two writes.
            return self.later(40, Act::Fade(index));
        }
        let [all, thin, names] = [0, 1, 2].map(|_| self.rng.below(12) * MINUTE_MS);
        let thinning = Thinning { all_ms: all, hourly_ms: thin, daily_ms: 2 * thin, weekly_ms: 0 };
        let alone = self.rng.chance(40);
        if let Err(text) = self.forget(index, thinning, names, alone) {
            self.checks.violate(format!("peer {index} cannot forget: {text}"));
        }
    }

    pub(crate) fn forget(
        &mut self,
        index: usize,
        thinning: Thinning,
        names_ms: u64,
        alone: bool,
    ) -> Result<(), String> {
        let (repo, project, now_ms) = (self.repo, self.project, self.peers[index].clock(self.now_ms));
        let peer = &mut self.peers[index];
        let Some(replica) = peer.service.replica(repo).filter(|_| peer.up) else { return Ok(()) };
        let elsewhere = peer.service.elsewhere(repo);
        let retention =
            Retention { thinning, names_ms, pins: &[], elsewhere: (!alone).then_some(&elsewhere) };
        let image = peer.disk.image(repo).ok_or("no image")?;
        let fading =
            replica.fading(project, retention, image, image, now_ms).map_err(|error| error.to_string())?;
        let tip = replica.branch(project, BRANCH);
        let gone: Vec<(FeedId, u64)> = fading
            .places
            .iter()
            .chain(&fading.gone)
            .flat_map(|(feed, places)| places.iter().map(|place| (*feed, *place)))
            .collect();
        peer.disk.image_mut(repo).ok_or("no image")?.fade(&fading)?;
        peer.service.remove(repo);
        for replica in peer.disk.restore(now_ms) {
            peer.service.add(replica, now_ms);
        }
        let after = peer.service.replica(repo).ok_or("what is left of the repo does not open")?;
        if after.branch(project, BRANCH) != tip {
            return Err(format!("its branch moved from {tip:?} to {:?}", after.branch(project, BRANCH)));
        }
        if !alone
            && let Some(lost) = gone.iter().find(|(feed, place)| !self.has_another(index, *feed, *place))
        {
            return Err(format!("nobody else has {lost:?}"));
        }
        self.note(&format!("{index} forgets {}", gone.len()));
        self.pump(index);
        Ok(())
    }

    /// Whether some other disk holds so much of a feed.
    fn has_another(&self, index: usize, feed: FeedId, place: u64) -> bool {
        let others = self.peers.iter().filter(|peer| peer.index != index);
        others.filter_map(|peer| peer.disk.image(self.repo)).any(|image| image.length(feed) > place)
    }

    /// A peer cuts and merges its stones.
    pub(crate) fn compact(&mut self, index: usize) {
        let policy = Policy {
            cut_count_min: self.rng.between(1, 3),
            level_max: self.rng.below(5) as u8,
            doubling_level_max: 2,
            step_levels: 2,
        };
        let repo = self.repo;
        let done = self.peers[index].disk.image_mut(repo).map_or(Ok(()), |image| image.compact(policy));
        let damage = done.err().or_else(|| self.peers[index].disk.damage());
        if let Some(text) = damage {
            self.checks.violate(format!("the stones of peer {index}: {text}"));
        }
    }

    /// A peer carries its own late work over, as far as what it needs is still there; whether there was any.
    pub(crate) fn carry(&mut self, index: usize) -> bool {
        let now_ms = self.peers[index].clock(self.now_ms);
        let own = |world: &Self| {
            let peer = &world.peers[index];
            let replica = peer.service.replica(world.repo)?;
            let mut late = replica.late(world.project, BRANCH).into_iter();
            late.find(|id| replica.entry(world.project, *id).is_some_and(|entry| entry.key == peer.key()))
        };
        let (Some((tip, _)), Some(late)) = (self.may_write(index, now_ms), own(self)) else { return false };
        match self.try_carry(index, &tip, late) {
            Ok(()) => true,
            Err(Unseen::Refused(error)) => {
                self.note(&format!("{index} cannot carry {late:?}: {error}"));
                false
            }
            Err(error) => {
                self.checks.violate(format!("peer {index} cannot carry {late:?}: {error}"));
                false
            }
        }
    }

    fn try_carry(&mut self, index: usize, tip: &Frontier, late: WaypointId) -> Result<(), Unseen> {
        let (repo, project) = (self.repo, self.project);
        let peer = &mut self.peers[index];
        let image = peer.disk.image(repo).ok_or(Unseen::Nothing("image"))?;
        let replica = peer.service.replica_mut(repo).ok_or(Unseen::Nothing("repo"))?;
        let documents = replica.documents(project).ok_or(Unseen::Nothing("documents"))?;
        let began =
            tip.heads().first().and_then(|tip| documents.epoch(tip)).ok_or(Unseen::Nothing("epoch"))?;
        let marked: Frontier = documents.parents(&began).iter().copied().collect();
        let onto = replica.begun(project, began).ok_or(Unseen::Nothing("beginning"))?;
        let onto = Frontier::from_iter([onto]);
        let documents = replica.documents_mut(project).ok_or(Unseen::Nothing("documents"))?;
        let carried = documents.carry(&Frontier::from_iter([late]), &marked, &onto, image)?;
        let edges = vec![Edge { kind: EdgeKind::Translates, target: late }];
        let labels = Labels { branch: Some(BRANCH.to_owned()), edges, ..Labels::default() };
        self.sign(index, onto, carried.draft, labels)?;
        self.note(&format!("{index} carries {late:?}"));
        Ok(())
    }

    /// Lets everybody carry over what is late, until nobody has any.
    pub(super) fn carry_all(&mut self) {
        for _ in 0..12 {
            let carried = (0..self.peers.len()).filter(|peer| self.carry(*peer)).count();
            if carried == 0 {
                return;
            }
            self.run_for(MINUTE_MS);
        }
        self.checks.violate("late work never comes to an end".to_owned());
    }

    /// Once all agree: who has what, what marks restore, and that forgetting all that may go changes none of it.
    pub(super) fn remembered(&mut self) {
        let (repo, project) = (self.repo, self.project);
        self.checks.shared(&self.peers, repo);
        self.checks.whole(&mut self.peers, repo, project);
        self.checks.restored(&mut self.peers, repo, project);
        let none = Thinning { all_ms: 0, hourly_ms: 0, daily_ms: 0, weekly_ms: 0 };
        for peer in 0..self.peers.len() {
            if let Err(text) = self.forget(peer, none, 0, true) {
                self.checks.violate(format!("peer {peer} cannot forget: {text}"));
            }
            self.compact(peer);
        }
        self.checks.whole(&mut self.peers, repo, project);
        self.checks.restored(&mut self.peers, repo, project);
        let lengths = |peer: &crate::peer::Peer| peer.disk.image(repo).map(|image| image.lengths());
        let first: Option<BTreeMap<FeedId, u64>> = self.peers.first().and_then(lengths);
        if self.peers.iter().any(|peer| lengths(peer) != first) {
            self.checks.violate("forgetting changed how much there is".to_owned());
        }
    }
}
