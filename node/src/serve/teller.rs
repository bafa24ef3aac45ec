//! Turns what the core says into events for people: names instead of hashes, and overlaps counted.

use std::collections::BTreeMap;

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, RepoId};
use cairn_protocol::effect::Event as Heard;
use cairn_protocol::key::DeviceKey;

use super::Event;
use super::bringer::Bringer;
use crate::net::{News, Session, peer_name};
use crate::owner::Owner;

/// One branch of one project.
type Place = (RepoId, ProjectId, String);

/// What was told, as far as it must be known to tell the next.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// Branches that show another version since overlaps were counted.
    moved: BTreeMap<Place, Frontier>,
    /// The last count told for each branch.
    overlaps: BTreeMap<Place, u64>,
}

impl Teller {
    /// Tells what happened since the last time.
    pub(super) fn tell(
        &mut self,
        owner: &mut Owner,
        session: &mut Session,
        bringer: &mut Bringer,
        events: &mut dyn FnMut(Event),
    ) {
        for news in session.take_news() {
            match news {
                News::Unreachable(address, reason) => {
                    events(Event::Unreachable { address: address.to_string(), reason });
                }
                News::Event(heard) => {
                    self.note(&heard);
                    bringer.hear(owner, &heard);
                    if let Some(event) = put(owner, heard) {
                        events(event);
                    }
                }
            }
        }
        for (repo, range) in owner.take_repaired() {
            let (repo, feed) = (repo.to_string(), range.feed.to_string());
            events(Event::Repaired { repo, feed, waypoints: range.count });
        }
    }

    /// A branch may move a hundred times in a second; its overlaps are counted when there is time.
    fn note(&mut self, heard: &Heard) {
        if let Heard::Merged { repo, project, branch, frontier } = heard {
            self.moved.insert((*repo, *project, branch.clone()), frontier.clone());
        }
    }

    /// Counts the overlaps of one branch that moved, and tells when there are others than before.
    pub(crate) fn look(&mut self, owner: &mut Owner, events: &mut dyn FnMut(Event)) {
        let Some((place, frontier)) = self.moved.pop_first() else { return };
        let (repo, project, branch) = &place;
        let Some(overlaps) = count(owner, *repo, *project, &frontier) else { return };
        let before = self.overlaps.insert(place.clone(), overlaps).unwrap_or(0);
        if overlaps != before {
            let (repo, project) = (repo.to_string(), project_name(owner, *repo, *project));
            events(Event::Overlap { repo, project, branch: branch.clone(), overlaps });
        }
    }
}

fn count(owner: &mut Owner, repo: RepoId, project: ProjectId, frontier: &Frontier) -> Option<u64> {
    let (replica, store) = owner.with(repo).ok()?;
    let view = replica.view(project, frontier, store);
    let view = view.inspect_err(|error| tracing::warn!(%error, "a merged version cannot be shown")).ok()?;
    Some(view.overlaps.len() as u64)
}

/// What the core said, in words for people; `None` for what is new and has no words yet.
fn put(owner: &Owner, heard: Heard) -> Option<Event> {
    let named = |repo, project| (RepoId::to_string(&repo), project_name(owner, repo, project));
    Some(match heard {
        Heard::Peer { peer, connected } => Event::Peer { peer: name(peer), key: peer.to_string(), connected },
        Heard::Joined { repo } => Event::Joined { repo: repo.to_string() },
        Heard::Granted { repo } => Event::Granted { repo: repo.to_string() },
        Heard::Synced { repo, peer } => Event::Synced { repo: repo.to_string(), peer: name(peer) },
        Heard::SyncFailed { repo, peer, reason } => {
            Event::SyncFailed { repo: repo.to_string(), peer: name(peer), reason: reason.to_string() }
        }
        Heard::Rejected { repo, peer, reason } => Event::Rejected {
            repo: repo.map(|repo| repo.to_string()),
            peer: name(peer),
            reason: reason.to_string(),
        },
        Heard::Received { repo, project, feed, n } => {
            let (repo, project) = named(repo, project);
            Event::Received { repo, project, feed: feed.to_string(), waypoints: n }
        }
        Heard::Merged { repo, project, branch, frontier } => {
            let (repo, project) = named(repo, project);
            Event::Merged {
                repo,
                project,
                branch,
                frontier: frontier.heads().iter().map(ToString::to_string).collect(),
            }
        }
        Heard::Marked { repo, project, name } => {
            let (repo, project) = named(repo, project);
            Event::Marked { repo, project, mark: name }
        }
        Heard::Held { repo, project, feed, waypoints } => {
            let (repo, project) = named(repo, project);
            let waypoints = waypoints.iter().map(ToString::to_string).collect();
            Event::Held { repo, project, feed: feed.to_string(), waypoints }
        }
        Heard::Forked { repo, project, feed } => {
            let (repo, project) = named(repo, project);
            Event::Forked { repo, project, feed: feed.to_string() }
        }
        _ => return None,
    })
}

fn name(peer: DeviceKey) -> String {
    peer_name(peer).unwrap_or_else(|_| peer.to_string())
}

/// The name that people gave a project; its hash where it is not known.
fn project_name(owner: &Owner, repo: RepoId, project: ProjectId) -> String {
    let known = owner.replica(repo).ok();
    let mut projects = known.iter().flat_map(|replica| replica.projects());
    projects.find(|(id, _)| *id == project).map_or_else(|| project.to_string(), |(_, name)| name.to_owned())
}
