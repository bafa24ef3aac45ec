//! One change of one leaf: which tokens it takes out, which it puts in, and where.
//!
//! A hunk is named by what it says. The same change made twice on the same tokens is one
//! hunk, so both sides adding the same thing add it once, and two different contents can
//! never share a name, whoever signs them.

use crate::encoding::{Decode, Encoded, Problem, Reader, Writer};
use crate::id::{HunkId, LeafId, derive};

/// The most bytes in one token.
pub const TOKEN_BYTES_MAX: usize = 4 << 20;
/// The most tokens that one hunk puts in.
pub const TOKENS_MAX: usize = 1 << 20;
/// The most runs of tokens that one hunk takes out.
pub const RUNS_MAX: usize = 65_536;
/// The most hunks that one hunk settles.
pub const SETTLES_MAX: usize = 4096;

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The bytes that the leaf began with.
    Genesis,
    /// A hunk that put it in.
    Hunk(HunkId),
}

/// One token of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId {
    /// Where it comes from.
    pub origin: Origin,
    /// Its place among the tokens of that origin.
    pub index: u32,
}

/// Neighbouring tokens of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// Where they come from.
    pub origin: Origin,
    /// The first.
    pub first: u32,
    /// How many; at least one.
    pub count: u32,
}

/// One change of one leaf.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hunk {
    /// The token that stands before the change, `None` at the front of the leaf.
    pub after: Option<TokenId>,
    /// The token that stood right behind `after` in the order of all tokens, the dead ones
    /// included; `None` at the end. It says nothing but where: without it nobody could tell
    /// text that was put before other text from text that was put there at the same time.
    pub before: Option<TokenId>,
    /// The tokens that go.
    pub deleted: Vec<Run>,
    /// The tokens that come; none is empty.
    pub inserted: Vec<Vec<u8>>,
    /// Hunks that the author's view showed as the losing side, and that this one puts to rest.
    pub settles: Vec<HunkId>,
    /// Tells apart equal changes that the author made on purpose one after the other.
    pub nonce: u32,
}

impl Hunk {
    /// The hunk's name: a hash over the leaf and all that the hunk says.
    pub fn id(&self, leaf: LeafId) -> HunkId {
        HunkId(derive("cairn 1 hunk", &[&leaf.0, &self.to_bytes()]))
    }

    /// The hunks that this one stands on: those that put in the tokens it names, and those it settles.
    pub fn dependencies(&self) -> impl Iterator<Item = HunkId> + '_ {
        let anchors = self.after.iter().chain(&self.before).map(|token| token.origin);
        let origins = anchors.chain(self.deleted.iter().map(|run| run.origin));
        let named = origins.filter_map(|origin| match origin {
            Origin::Genesis => None,
            Origin::Hunk(id) => Some(id),
        });
        named.chain(self.settles.iter().copied())
    }
}

impl Encoded for Hunk {
    fn write(&self, out: &mut Writer) {
        write_anchor(self.after, out);
        write_anchor(self.before, out);
        out.list(&self.deleted);
        out.count(self.inserted.len() as u64);
        for token in &self.inserted {
            out.bytes(token);
        }
        out.list(&self.settles);
        out.u32(self.nonce);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (after, before) = (read_anchor(input)?, read_anchor(input)?);
        let deleted = input.list(RUNS_MAX)?;
        let inserted = read_tokens(input)?;
        let settles = input.list(SETTLES_MAX)?;
        Ok(Self { after, before, deleted, inserted, settles, nonce: input.u32()? })
    }
}

fn write_anchor(anchor: Option<TokenId>, out: &mut Writer) {
    out.u8(u8::from(anchor.is_some()));
    if let Some(token) = anchor {
        token.origin.write(out);
        out.u32(token.index);
    }
}

fn read_anchor(input: &mut Reader<'_>) -> Decode<Option<TokenId>> {
    let at = input.clone();
    match input.u8()? {
        0 => Ok(None),
        1 => Ok(Some(TokenId { origin: Origin::read(input)?, index: input.u32()? })),
        _ => Err(at.error(Problem::Invalid("anchor"))),
    }
}

fn read_tokens(input: &mut Reader<'_>) -> Decode<Vec<Vec<u8>>> {
    let count = input.count(TOKENS_MAX as u64)?;
    let mut tokens = Vec::new();
    for _ in 0..count {
        let token = input.bytes(TOKEN_BYTES_MAX)?;
        input.require(!token.is_empty(), "empty token")?;
        tokens.push(token.to_vec());
    }
    Ok(tokens)
}

impl Encoded for Origin {
    fn write(&self, out: &mut Writer) {
        match self {
            Origin::Genesis => out.u8(0),
            Origin::Hunk(id) => {
                out.u8(1);
                id.write(out);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(Origin::Genesis),
            1 => Ok(Origin::Hunk(HunkId::read(input)?)),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Run {
    fn write(&self, out: &mut Writer) {
        self.origin.write(out);
        out.u32(self.first);
        out.u32(self.count);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let run = Self { origin: Origin::read(input)?, first: input.u32()?, count: input.u32()? };
        at.require(run.count > 0 && run.first.checked_add(run.count).is_some(), "run of tokens")?;
        Ok(run)
    }
}
