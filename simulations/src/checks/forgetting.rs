//! What must hold however much was forgotten.

use cairn_crdt::id::{ProjectId, RepoId, Root};
use cairn_protocol::replica::{Candidate, Found};

use super::{Checks, Unseen, files_of, look};
use crate::peer::Peer;
use crate::world::BRANCH;

/// A mark that was set, and what it must restore.
#[derive(Debug)]
pub struct Marked {
    /// Who set it.
    pub by: usize,
    /// Its name.
    pub name: String,
    /// Its root.
    pub root: Root,
}

impl Checks {
    /// Every mark that was acknowledged restores for whoever set it; the others show the same, or say what has faded.
    pub fn restored(&mut self, peers: &mut [Peer], repo: RepoId, project: ProjectId) {
        let mut wrong = None;
        let marks = self.marks.iter().filter(|(id, _)| self.acknowledged.contains_key(*id));
        for (id, Marked { by, name, root }) in marks {
            for peer in peers.iter_mut() {
                let found = peer.service.replica(repo).map(|replica| replica.find(project, name));
                let Some(Found::One(Candidate::Mark(..), version)) = found else {
                    // A late mark stands on what may be gone there as a whole.
                    if peer.index == *by {
                        wrong.get_or_insert(format!("peer {by} does not know its own mark {name}"));
                    }
                    continue;
                };
                let text = match look(peer, repo, project, &version) {
                    Ok(view) if view.root == *root => continue,
                    Ok(_) => "another root".to_owned(),
                    Err(Unseen::Refused(_)) if peer.index != *by => continue,
                    Err(error) => error.to_string(),
                };
                wrong.get_or_insert(format!("mark {id:?} of {by} restores at {}: {text}", peer.index));
            }
        }
        wrong.into_iter().for_each(|text| self.violate(text));
    }

    /// Whoever stands on a version shows every byte of it, and the same as everybody else.
    pub fn whole(&mut self, peers: &mut [Peer], repo: RepoId, project: ProjectId) {
        let mut first = None;
        for peer in peers {
            let tip =
                peer.service.replica(repo).map(|replica| replica.branch(project, BRANCH)).unwrap_or_default();
            let shown = look(peer, repo, project, &tip).and_then(|view| files_of(peer, repo, project, &view));
            match shown {
                Ok(files) if *first.get_or_insert_with(|| files.clone()) == files => {}
                Ok(_) => self.violate(format!("peer {} shows other bytes than the first", peer.index)),
                Err(error) => {
                    self.violate(format!("peer {} does not show what it stands on: {error}", peer.index))
                }
            }
        }
    }

    /// All hold equally much of every feed, and nobody believes of another that he holds more than he does.
    pub fn shared(&mut self, peers: &[Peer], repo: RepoId) {
        let lengths = |peer: &Peer| peer.disk.image(repo).map(|image| image.lengths()).unwrap_or_default();
        let held: Vec<_> = peers.iter().map(lengths).collect();
        let mut wrong = None;
        for peer in peers {
            let mine = &held[peer.index];
            if let Some(first) = held.first().filter(|first| *first != mine) {
                wrong.get_or_insert(format!("peers 0 and {} hold {first:?} and {mine:?}", peer.index));
            }
            for (feed, n) in peer.service.elsewhere(repo) {
                let most = held.iter().enumerate().filter(|(other, _)| *other != peer.index);
                if most.filter_map(|(_, held)| held.get(&feed)).max().is_none_or(|most| *most < n) {
                    wrong.get_or_insert(format!(
                        "peer {} believes that {n} of {feed:?} are elsewhere",
                        peer.index
                    ));
                }
            }
            for feed in mine.keys() {
                for (key, n) in peer.service.claims(repo, *feed) {
                    let other = peers.iter().find(|other| other.key() == key);
                    let has = other.and_then(|other| held[other.index].get(feed)).copied().unwrap_or(0);
                    if has < n {
                        wrong.get_or_insert(format!(
                            "peer {} believes that another has {n} of {feed:?}",
                            peer.index
                        ));
                    }
                }
            }
        }
        wrong.into_iter().for_each(|text| self.violate(text));
    }
}
