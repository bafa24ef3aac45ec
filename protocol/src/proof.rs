//! Proofs about logs, for those who do not hold them: that a waypoint is in one, that one continues
//! another, that a key signed two that contradict.
//!
//! Every check runs on hostile input: it does bounded work and never panics.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::WaypointId;

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::PROOF_HASHES_MAX;
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
        let _ = (id, index, n, root);
        todo!()
    }
}

impl ConsistencyProof {
    /// Checks that the log of `n` continues the log of `m`.
    pub fn verify(&self, m: u64, root_m: &LogHash, n: u64, root_n: &LogHash) -> Result<(), Reject> {
        let _ = (m, root_m, n, root_n);
        todo!()
    }

    /// The two roots that the proof stands for: of the first `m` and of all `n`.
    pub fn roots(&self, m: u64, n: u64) -> Result<(LogHash, LogHash), Reject> {
        let _ = (m, n);
        todo!()
    }
}

impl ForkProof {
    /// Makes the proof from two tops and the log of the longer one; `None` if they do not contradict.
    pub fn find(a: &Verified<Top>, b: &Verified<Top>, longer: &crate::log::Log) -> Option<Self> {
        let _ = (a, b, longer);
        todo!()
    }

    /// Checks both signatures and that the two contradict.
    pub fn verify(&self) -> Result<(), Reject> {
        todo!()
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
