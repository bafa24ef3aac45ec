//! Where an artifact came from, as one file that is checked without the repo: the waypoints with the records that made it, each
//! in a feed whose author signs it, with the rights of those authors down from the founding.
//!
//! What the records say is for whoever reads them; here is who wrote them, that they were written so, and that it was allowed.
//! A file cannot prove what is not in it: that nobody took a right back since, and that what counts as raw was made by no
//! run, is the word of the key that signs the whole.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash, ProjectId, RepoId};

use crate::entry::{Payload, Profile};
use crate::error::Reject;
use crate::feed::{FeedName, project_id};
use crate::founding::FoundingRecord;
use crate::grant::{Added, GrantRecord, Grants, Standing};
use crate::key::DeviceKey;
use crate::limits::{
    LABEL_BYTES_MAX, PROVENANCE_RAW_COUNT_MAX, PROVENANCE_RIGHTS_COUNT_MAX, PROVENANCE_STEPS_COUNT_MAX,
};
use crate::proof::InclusionProof;
use crate::signed::{Signable, Signed, Verified};
use crate::stamp::Stamp;
use crate::text::read_label;
use crate::top::Top;
use crate::waypoint::Waypoint;

/// The first bytes of every such file.
pub const MAGIC: [u8; 8] = *b"cairnprv";

/// Where an artifact came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// What the repo began with.
    pub founding: Signed<FoundingRecord>,
    /// The project's name.
    pub project: String,
    /// The artifact.
    pub artifact: ArtifactId,
    /// The rights of whoever wrote a step; each after what it derives from.
    pub rights: Vec<GrantRecord>,
    /// The tops of the feeds that the steps lie in.
    pub tops: Vec<Signed<Top>>,
    /// The steps, each after those that made what it read; the last one made the artifact.
    pub steps: Vec<Step>,
    /// What steps read and no run made; in order.
    pub raw: Vec<ContentHash>,
    /// When it was gathered, in milliseconds since 1970.
    pub gathered_ms: u64,
    /// Who gathered it.
    pub key: DeviceKey,
}

/// A waypoint with the record of a run, and that it is in its feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The place of its feed's top in the list.
    pub top: u32,
    /// That the waypoint is in the log that the top signs.
    pub proof: InclusionProof,
    /// The waypoint; what the record does not need is left out, and its hash stays.
    pub waypoint: Waypoint,
}

/// What is certain of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// The feed, and so the author's key.
    pub feed: FeedName,
    /// The number in the feed, from 1.
    pub seq: u64,
    /// When it was written, by the author's clock.
    pub stamp: Stamp,
    /// Whether the author is a founder; others were given a right to write.
    pub is_founder: bool,
    /// The branch, if the waypoint names one.
    pub branch: Option<String>,
    /// What the author calls themselves, if the waypoint says so.
    pub author: Option<Profile>,
    /// The contents that are not left out.
    pub contents: Vec<Vec<u8>>,
}

/// What the steps are held against.
struct Ground {
    repo: RepoId,
    project: ProjectId,
    grants: Grants,
}

impl Provenance {
    /// Signs it as whoever gathered it.
    pub fn sign(self, keypair: &crate::key::Keypair) -> Result<Verified<Self>, Reject> {
        Verified::sign(self, keypair)
    }

    /// The repo that it claims to speak of.
    pub fn repo(&self) -> RepoId {
        self.founding.repo()
    }

    /// What is certain of each step, or why nothing is.
    ///
    /// An error where the founding or the rights do not hold, on which all steps stand.
    pub fn attest(&self) -> Result<Vec<Result<Attested, Reject>>, Reject> {
        let founding = self.founding.clone().verify()?;
        let (repo, mut grants) = (founding.repo(), Grants::new(&founding));
        for record in &self.rights {
            if grants.add(record.clone())? == Added::Waiting {
                return Err(Reject::Missing);
            }
        }
        let ground = Ground { repo, project: project_id(repo, &self.project), grants };
        let tops: Vec<_> = self.tops.iter().map(|top| ground.top(top)).collect();
        let attest = |step: &Step| {
            let top = usize::try_from(step.top).ok().and_then(|place| tops.get(place));
            ground.step(step, top.ok_or(Reject::Missing)?.as_ref().map_err(Clone::clone)?)
        };
        Ok(self.steps.iter().map(attest).collect())
    }
}

impl Ground {
    fn top(&self, top: &Signed<Top>) -> Result<Verified<Top>, Reject> {
        let top = top.clone().verify()?;
        let expected = FeedName { repo: self.repo, project: self.project, key: top.feed.key };
        expected.check(&top.feed)?;
        Ok(top)
    }

    fn step(&self, step: &Step, top: &Verified<Top>) -> Result<Attested, Reject> {
        let header = step.waypoint.header();
        top.feed.check(&header.feed)?;
        step.proof.verify(&step.waypoint.id(), header.seq - 1, top.n, &top.root)?;
        let at = (header.seq, header.stamp.wall_ms);
        match self.grants.standing(&header.feed.key, self.project, at.0, at.1) {
            Standing::Admitted => {}
            Standing::Held(_) | Standing::Ungranted => return Err(Reject::Ungranted),
        }
        let mut attested = Attested {
            feed: header.feed,
            seq: header.seq,
            stamp: header.stamp,
            is_founder: self.grants.is_founder(&header.feed.key),
            branch: None,
            author: None,
            contents: Vec::new(),
        };
        for payload in step.waypoint.payloads()? {
            match payload {
                Payload::Content(bytes) => attested.contents.push(bytes),
                Payload::Branch(name) => attested.branch = Some(name),
                Payload::Profile(profile) => attested.author = Some(profile),
                Payload::Local => return Err(Reject::Local),
                _ => {}
            }
        }
        Ok(attested)
    }
}

impl Signable for Provenance {
    const PURPOSE: &'static str = "cairn 1 sign provenance";

    fn signer(&self) -> Option<DeviceKey> {
        Some(self.key)
    }
}

impl Encoded for Provenance {
    fn write(&self, out: &mut Writer) {
        self.founding.write(out);
        out.bytes(self.project.as_bytes());
        self.artifact.write(out);
        out.list(&self.rights);
        out.list(&self.tops);
        out.list(&self.steps);
        out.list(&self.raw);
        out.u64(self.gathered_ms);
        self.key.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (founding, project) = (Signed::read(input)?, read_label(input, LABEL_BYTES_MAX)?);
        let (artifact, rights) = (ArtifactId::read(input)?, input.list(PROVENANCE_RIGHTS_COUNT_MAX)?);
        let tops = input.list(PROVENANCE_STEPS_COUNT_MAX)?;
        let at = input.clone();
        let steps: Vec<Step> = input.list(PROVENANCE_STEPS_COUNT_MAX)?;
        at.require(!steps.is_empty(), "count of steps")?;
        let at = input.clone();
        let raw: Vec<ContentHash> = input.list(PROVENANCE_RAW_COUNT_MAX)?;
        at.require(raw.is_sorted_by(|a, b| a < b), "order of raw contents")?;
        let (gathered_ms, key) = (input.u64()?, DeviceKey::read(input)?);
        Ok(Self { founding, project, artifact, rights, tops, steps, raw, gathered_ms, key })
    }
}

impl Encoded for Step {
    fn write(&self, out: &mut Writer) {
        out.u32(self.top);
        self.proof.write(out);
        self.waypoint.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { top: input.u32()?, proof: InclusionProof::read(input)?, waypoint: Waypoint::read(input)? })
    }
}

/// A file: what it begins with, and what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceFile(pub Signed<Provenance>);

impl Encoded for ProvenanceFile {
    fn write(&self, out: &mut Writer) {
        out.raw(&MAGIC);
        self.0.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        at.require(input.array()? == MAGIC, "magic of a provenance")?;
        Ok(Self(Signed::read(input)?))
    }
}

#[cfg(test)]
mod tests;
