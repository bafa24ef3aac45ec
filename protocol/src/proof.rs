//! Proofs about logs, for those who do not hold them: that a waypoint is in one, that one continues
//! another, that a key signed two that contradict.
//!
//! Every check runs on hostile input: it does bounded work and never panics.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::WaypointId;

use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::LogHash;
use crate::limits::PROOF_HASHES_MAX;
use crate::log::{Log, leaf_hash};
use crate::merkle::{empty_root, node_hash};
use crate::signed::{Signed, Verified};
use crate::top::Top;

/// That a waypoint is in a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InclusionProof {
    /// The siblings from the leaf up.
    pub hashes: Vec<LogHash>,
}

/// That one log continues another.
///
/// Unlike RFC 9162 it always carries the first subtree, so that it yields the root of the shorter log
/// by itself; a fork proof needs that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsistencyProof {
    /// The subtrees in the order of the RFC.
    pub hashes: Vec<LogHash>,
}

/// That one key signed two histories of one feed. Needs no bodies and no held state to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    /// The shorter one.
    pub shorter: Signed<Top>,
    /// The longer one, or one as long with another root.
    pub longer: Signed<Top>,
    /// What the longer log's first part really is; empty if both are as long.
    pub proof: ConsistencyProof,
}

impl InclusionProof {
    /// Checks that `id` is at `index` (from 0) in the log of `n` with this root.
    pub fn verify(&self, id: &WaypointId, index: u64, n: u64, root: &LogHash) -> Result<(), Reject> {
        if index >= n || self.hashes.len() > PROOF_HASHES_MAX {
            return Err(Reject::Proof("inclusion"));
        }
        let (mut place, mut last, mut hash) = (index, n - 1, leaf_hash(id));
        for sibling in &self.hashes {
            if last == 0 {
                return Err(Reject::Proof("inclusion"));
            }
            if place & 1 == 1 || place == last {
                hash = node_hash(sibling, &hash);
                while place & 1 == 0 && place != 0 {
                    (place, last) = (place >> 1, last >> 1);
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            (place, last) = (place >> 1, last >> 1);
        }
        if last == 0 && hash == *root { Ok(()) } else { Err(Reject::Proof("inclusion")) }
    }
}

impl ConsistencyProof {
    /// Checks that the log of `n` continues the log of `m`.
    pub fn verify(&self, m: u64, root_m: &LogHash, n: u64, root_n: &LogHash) -> Result<(), Reject> {
        let holds = match m {
            0 => self.hashes.is_empty() && *root_m == empty_root(),
            _ if m == n => self.hashes.is_empty() && root_m == root_n,
            _ => self.roots(m, n)? == (*root_m, *root_n),
        };
        if holds { Ok(()) } else { Err(Reject::Proof("consistency")) }
    }

    /// The two roots that the proof stands for: of the first `m` and of all `n`, for `0 < m < n`.
    ///
    /// Whoever knows that the second is signed knows that the first is what the signed log began with.
    pub fn roots(&self, m: u64, n: u64) -> Result<(LogHash, LogHash), Reject> {
        let wrong = Reject::Proof("consistency");
        let Some((first, rest)) = self.hashes.split_first() else { return Err(wrong) };
        if m == 0 || m >= n || self.hashes.len() > PROOF_HASHES_MAX {
            return Err(wrong);
        }
        let shift = (m - 1).trailing_ones();
        let (mut place, mut last) = ((m - 1) >> shift, (n - 1) >> shift);
        let (mut shorter, mut longer) = (*first, *first);
        for hash in rest {
            if last == 0 {
                return Err(wrong);
            }
            if place & 1 == 1 || place == last {
                shorter = node_hash(hash, &shorter);
                longer = node_hash(hash, &longer);
                while place & 1 == 0 && place != 0 {
                    (place, last) = (place >> 1, last >> 1);
                }
            } else {
                longer = node_hash(&longer, hash);
            }
            (place, last) = (place >> 1, last >> 1);
        }
        if last == 0 { Ok((shorter, longer)) } else { Err(wrong) }
    }
}

impl ForkProof {
    /// Makes the proof from two tops and the log of the longer one; `None` if they do not contradict.
    pub fn find(a: &Verified<Top>, b: &Verified<Top>, longer: &Log) -> Option<Self> {
        let (short, long) = if a.n <= b.n { (a, b) } else { (b, a) };
        let proof = if short.n == long.n {
            ConsistencyProof::default()
        } else {
            longer.consistency(short.n, long.n)?
        };
        let fork = Self { shorter: short.signed().clone(), longer: long.signed().clone(), proof };
        fork.verify().is_ok().then_some(fork)
    }

    /// The feed that this says is forked.
    pub fn feed(&self) -> FeedName {
        self.shorter.claimed().feed
    }

    /// What no history of the feed can have in common with all others, by this proof alone.
    pub(crate) fn bound(&self) -> u64 {
        self.shorter.claimed().n.saturating_sub(1)
    }

    /// Whether this is to be kept rather than `other`. All nodes keep the same of several proofs: the one
    /// that shows the fork earliest.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        (self.bound(), self.to_bytes()) < (other.bound(), other.to_bytes())
    }

    /// Checks both signatures and that the two contradict; names the forked feed.
    pub fn verify(&self) -> Result<FeedName, Reject> {
        let short = self.shorter.clone().verify()?;
        let long = self.longer.clone().verify()?;
        short.feed.check(&long.feed)?;
        let contradict = if short.n == long.n {
            self.proof.hashes.is_empty() && short.root != long.root
        } else {
            let (first, all) = self.proof.roots(short.n, long.n)?;
            all == long.root && first != short.root
        };
        if contradict { Ok(short.feed) } else { Err(Reject::Proof("fork")) }
    }
}

impl Encoded for InclusionProof {
    fn write(&self, out: &mut Writer) {
        out.list(&self.hashes);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { hashes: input.list(PROOF_HASHES_MAX)? })
    }
}

impl Encoded for ConsistencyProof {
    fn write(&self, out: &mut Writer) {
        out.list(&self.hashes);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { hashes: input.list(PROOF_HASHES_MAX)? })
    }
}

impl Encoded for ForkProof {
    fn write(&self, out: &mut Writer) {
        self.shorter.write(out);
        self.longer.write(out);
        self.proof.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self {
            shorter: Signed::read(input)?,
            longer: Signed::read(input)?,
            proof: ConsistencyProof::read(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keypair;
    use crate::log::tests::{id, log_of};
    use cairn_crdt::id::{ProjectId, RepoId};

    fn top(project: u8, n: u64, root: LogHash) -> Verified<Top> {
        let keypair = Keypair::from_secret(&[7; 32]);
        let feed = FeedName { repo: RepoId([1; 32]), project: ProjectId([project; 32]), key: keypair.key() };
        Top { feed, n, root, grants: Vec::new() }.sign(&keypair).unwrap()
    }

    /// A log whose last waypoint but `back` differs.
    fn other_log(n: u64, at: u64) -> Log {
        let mut log = Log::new();
        (0..n).for_each(|index| log.append(&id(if index < at { index } else { index + 1000 })));
        log
    }

    #[test]
    fn two_histories_of_one_key_are_proven_forked() {
        for (m, n, at) in [(5, 5, 2), (1, 8, 0), (4, 8, 3), (3, 12, 2), (7, 9, 6), (8, 9, 7)] {
            let (a, b) = (log_of(m), other_log(n, at));
            let fork = ForkProof::find(&top(1, m, a.root()), &top(1, n, b.root()), &b);
            assert!(fork.is_some_and(|fork| fork.verify().is_ok()), "{m} {n}");
        }
    }

    #[test]
    fn no_proof_makes_an_honest_feed_look_forked() {
        let log = log_of(20);
        for m in 1..=20 {
            let (a, b) = (top(1, m, log.root_of(m).unwrap()), top(1, 20, log.root()));
            assert_eq!(ForkProof::find(&a, &b, &log), None);
            let mut lie = other_log(20, m / 2).consistency(m, 20).unwrap_or_default();
            let fork = |proof| ForkProof { shorter: a.signed().clone(), longer: b.signed().clone(), proof };
            assert!(fork(lie.clone()).verify().is_err());
            lie.hashes.push(log.root());
            assert!(fork(lie).verify().is_err());
        }
    }

    #[test]
    fn a6_tops_of_two_feeds_are_no_fork() {
        let (a, b) = (log_of(5), other_log(5, 2));
        assert_eq!(ForkProof::find(&top(1, 5, a.root()), &top(2, 5, b.root()), &b), None);
    }
}
