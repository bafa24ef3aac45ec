//! Grants: who gave whom which right, signed, and how such rights are taken back.

pub mod grants;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{FeedId, ProjectId, RepoId, derive};

use crate::error::Reject;
use crate::hash::GrantId;
use crate::key::{DeviceKey, Keypair};
use crate::limits::{CUT_FEEDS_COUNT_MAX, GRANT_CHAIN_COUNT_MAX};
use crate::signed::{Signable, Signed, Verified};
use crate::text::read_flag;
use crate::top::read_heads;

pub use grants::{Added, Grants, Held, Standing};

/// What a key may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Fetch.
    Read = 1,
    /// Write.
    Write = 2,
    /// Give rights to others and take them back.
    Admin = 3,
}

/// Where a right holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In the whole repo.
    All,
    /// In one project.
    Project(ProjectId),
}

impl Scope {
    /// Whether this holds wherever `other` does.
    pub fn covers(&self, other: &Scope) -> bool {
        *self == Scope::All || self == other
    }
}

/// A right that one key gives another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The repo.
    pub repo: RepoId,
    /// Who gives.
    pub issuer: DeviceKey,
    /// Who gets.
    pub subject: DeviceKey,
    /// What.
    pub role: Role,
    /// Where.
    pub scope: Scope,
    /// Whether the subject may hand it on.
    pub delegable: bool,
    /// The number of this link in the chain from a founder, from 1.
    pub depth: u8,
    /// When it ends, in milliseconds since 1970; `None` is never.
    pub not_after_ms: Option<u64>,
    /// To how many keys the subject may hand it on; `None` is any number.
    pub uses: Option<u32>,
    /// The grant that it derives from; `None` if a founder gives it.
    pub parent: Option<GrantId>,
    /// The heads of the rights that the issuer had seen; in order.
    pub seen: Vec<GrantId>,
    /// Makes two grants that say the same different.
    pub nonce: [u8; 16],
}

/// The end of a grant and of all that derive from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The repo.
    pub repo: RepoId,
    /// Who revokes.
    pub issuer: DeviceKey,
    /// What ends.
    pub grant: GrantId,
    /// The admin grant that lets the issuer revoke; `None` if it is a founder or gave this grant or one above it.
    pub authority: Option<GrantId>,
    /// How far each feed still counts; those not named count for nothing. In order.
    pub cut: Vec<(FeedId, u64)>,
    /// The heads of the rights that the issuer had seen; in order.
    pub seen: Vec<GrantId>,
    /// Makes two revocations that say the same different.
    pub nonce: [u8; 16],
}

/// One record of a repo's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantRecord {
    /// A right that was given.
    Grant(Signed<Grant>),
    /// A right that was taken back.
    Revocation(Signed<Revocation>),
}

impl Grant {
    /// The grant's name: the hash of what it says.
    pub fn id(&self) -> GrantId {
        GrantId(derive("cairn 1 grant", &[&self.to_bytes()]))
    }

    /// Signs the grant as its issuer.
    pub fn sign(self, keypair: &Keypair) -> Result<GrantRecord, Reject> {
        Ok(GrantRecord::Grant(Verified::sign(self, keypair)?.into_signed()))
    }
}

impl Revocation {
    /// The revocation's name: the hash of what it says.
    pub fn id(&self) -> GrantId {
        GrantId(derive("cairn 1 revocation", &[&self.to_bytes()]))
    }

    /// Signs the revocation as its issuer.
    pub fn sign(self, keypair: &Keypair) -> Result<GrantRecord, Reject> {
        Ok(GrantRecord::Revocation(Verified::sign(self, keypair)?.into_signed()))
    }
}

impl GrantRecord {
    /// The record's name.
    pub fn id(&self) -> GrantId {
        match self {
            GrantRecord::Grant(grant) => grant.claimed().id(),
            GrantRecord::Revocation(revocation) => revocation.claimed().id(),
        }
    }
}

impl Signable for Grant {
    const PURPOSE: &'static str = "cairn 1 sign grant";

    fn signer(&self) -> Option<DeviceKey> {
        Some(self.issuer)
    }
}

impl Signable for Revocation {
    const PURPOSE: &'static str = "cairn 1 sign revocation";

    fn signer(&self) -> Option<DeviceKey> {
        Some(self.issuer)
    }
}

impl Encoded for Role {
    fn write(&self, out: &mut Writer) {
        out.u8(*self as u8);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => Ok(Role::Read),
            2 => Ok(Role::Write),
            3 => Ok(Role::Admin),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Scope {
    fn write(&self, out: &mut Writer) {
        match self {
            Scope::All => out.u8(0),
            Scope::Project(project) => {
                out.u8(1);
                project.write(out);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(Scope::All),
            1 => Ok(Scope::Project(ProjectId::read(input)?)),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Grant {
    fn write(&self, out: &mut Writer) {
        self.repo.write(out);
        self.issuer.write(out);
        self.subject.write(out);
        self.role.write(out);
        self.scope.write(out);
        out.u8(u8::from(self.delegable));
        out.u8(self.depth);
        write_option(out, self.not_after_ms, Writer::u64);
        write_option(out, self.uses, Writer::u32);
        write_option(out, self.parent, |out, id| id.write(out));
        out.list(&self.seen);
        out.raw(&self.nonce);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let repo = RepoId::read(input)?;
        let (issuer, subject) = (DeviceKey::read(input)?, DeviceKey::read(input)?);
        let (role, scope) = (Role::read(input)?, Scope::read(input)?);
        let delegable = read_flag(input)?;
        let at = input.clone();
        let depth = input.u8()?;
        at.require((1..=GRANT_CHAIN_COUNT_MAX).contains(&depth.into()), "depth of a grant")?;
        let not_after_ms = read_option(input, Reader::u64)?;
        let uses = read_option(input, Reader::u32)?;
        let parent = read_option(input, GrantId::read)?;
        at.require(parent.is_some() == (depth > 1), "depth of a grant")?;
        let (seen, nonce) = (read_heads(input)?, input.array()?);
        Ok(Self {
            repo,
            issuer,
            subject,
            role,
            scope,
            delegable,
            depth,
            not_after_ms,
            uses,
            parent,
            seen,
            nonce,
        })
    }
}

impl Encoded for Revocation {
    fn write(&self, out: &mut Writer) {
        self.repo.write(out);
        self.issuer.write(out);
        self.grant.write(out);
        write_option(out, self.authority, |out, id| id.write(out));
        out.count(self.cut.len() as u64);
        for (feed, n) in &self.cut {
            feed.write(out);
            out.u64(*n);
        }
        out.list(&self.seen);
        out.raw(&self.nonce);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (repo, issuer) = (RepoId::read(input)?, DeviceKey::read(input)?);
        let (grant, authority) = (GrantId::read(input)?, read_option(input, GrantId::read)?);
        let at = input.clone();
        let mut cut = Vec::new();
        for _ in 0..input.count(CUT_FEEDS_COUNT_MAX as u64)? {
            cut.push((FeedId::read(input)?, input.u64()?));
        }
        at.require(cut.is_sorted_by(|a, b| a.0 < b.0), "order of a cut")?;
        let (seen, nonce) = (read_heads(input)?, input.array()?);
        Ok(Self { repo, issuer, grant, authority, cut, seen, nonce })
    }
}

impl Encoded for GrantRecord {
    fn write(&self, out: &mut Writer) {
        match self {
            GrantRecord::Grant(grant) => {
                out.u8(1);
                grant.write(out);
            }
            GrantRecord::Revocation(revocation) => {
                out.u8(2);
                revocation.write(out);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => Ok(GrantRecord::Grant(Signed::read(input)?)),
            2 => Ok(GrantRecord::Revocation(Signed::read(input)?)),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

pub(crate) fn write_option<T>(out: &mut Writer, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
    out.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

pub(crate) fn read_option<'a, T>(
    input: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Decode<T>,
) -> Decode<Option<T>> {
    if read_flag(input)? { read(input).map(Some) } else { Ok(None) }
}
