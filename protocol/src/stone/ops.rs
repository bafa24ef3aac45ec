//! Operations taken apart: sizes as differences, cuts and texts in columns of their own.
//!
//! Where a leaf is cut moves with every line above, how large its pieces are does not; so what repeats is written.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::hunk::{Hunk, Origin, RUNS_MAX, Run, SETTLES_MAX, TOKEN_BYTES_MAX, TOKENS_MAX, TokenId};
use cairn_crdt::id::{HunkId, LeafId};
use cairn_crdt::op::{CUTS_MAX, Cut, HUNKS_MAX, NodeKind, Op, Split};
use cairn_crdt::path::NAME_BYTES_MAX;

/// How an operation goes on that cuts a leaf.
const SPLIT: u8 = 4;
/// How one goes on that edits a leaf.
const EDIT: u8 = 5;

/// What operations are taken apart into.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// What they are, and on what.
    pub(super) heads: Writer,
    /// The pieces that leaves are cut into.
    pub(super) cuts: Writer,
    /// The tokens that edits put in, end to end.
    pub(super) texts: Writer,
}

impl Columns {
    /// Takes the payload of an operation apart behind a tag; puts nothing, and gives false, for one that lies better as it is.
    pub(super) fn put(&mut self, tag: u8, payload: &[u8]) -> bool {
        // The encoding has no alternatives, so what was read is written in the same bytes again.
        match Op::from_bytes(payload) {
            Ok(Op::Split(split)) => {
                self.heads.raw(&[tag, SPLIT]);
                self.split(&split);
            }
            Ok(Op::Edit { leaf, epoch, hunks }) => {
                self.heads.raw(&[tag, EDIT]);
                leaf.write(&mut self.heads);
                self.heads.count(epoch.into());
                self.heads.count(hunks.len() as u64);
                hunks.iter().for_each(|hunk| self.hunk(hunk));
            }
            _ => return false,
        }
        true
    }

    fn split(&mut self, split: &Split) {
        split.leaf.write(&mut self.heads);
        self.heads.u16(split.codec);
        self.heads.count(split.cuts.len() as u64);
        let mut before = None;
        for cut in &split.cuts {
            self.cuts.u8(cut.depth);
            cut.kind.write(&mut self.cuts);
            self.cuts.bytes(&cut.name);
            self.cuts.count(cut.start.wrapping_sub(expected(before, cut.depth)).into());
            self.cuts.count(cut.end.wrapping_sub(cut.start).into());
            before = Some(cut);
        }
    }

    fn hunk(&mut self, hunk: &Hunk) {
        for anchor in [&hunk.after, &hunk.before] {
            self.heads.u8(u8::from(anchor.is_some()));
            if let Some(token) = anchor {
                token.origin.write(&mut self.heads);
                self.heads.count(token.index.into());
            }
        }
        self.heads.count(hunk.deleted.len() as u64);
        for run in &hunk.deleted {
            run.origin.write(&mut self.heads);
            self.heads.count(run.first.into());
            self.heads.count(run.count.into());
        }
        self.heads.count(hunk.inserted.len() as u64);
        for token in &hunk.inserted {
            self.heads.count(token.len() as u64);
            self.texts.raw(token);
        }
        self.heads.list(&hunk.settles);
        self.heads.count(hunk.nonce.into());
    }
}

/// Where a piece begins that follows another one: where that one does if it lies in it, else where that one ends.
fn expected(before: Option<&Cut>, depth: u8) -> u32 {
    before.map_or(0, |before| if depth > before.depth { before.start } else { before.end })
}

/// The columns, as they are read.
#[derive(Debug)]
pub(super) struct ColumnReaders<'a> {
    pub(super) heads: Reader<'a>,
    pub(super) cuts: Reader<'a>,
    pub(super) texts: Reader<'a>,
}

impl ColumnReaders<'_> {
    /// The payload of the next operation.
    pub(super) fn give(&mut self) -> Decode<Vec<u8>> {
        let at = self.heads.clone();
        let op = match self.heads.u8()? {
            SPLIT => self.split()?,
            EDIT => {
                let (leaf, epoch) = (LeafId::read(&mut self.heads)?, self.number()?);
                let count = self.heads.count(HUNKS_MAX as u64)?;
                let hunks = (0..count).map(|_| self.hunk()).collect::<Decode<_>>()?;
                Op::Edit { leaf, epoch, hunks }
            }
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        Ok(op.to_bytes())
    }

    fn number(&mut self) -> Decode<u32> {
        self.heads.count(u32::MAX.into()).map(|number| number as u32)
    }

    fn split(&mut self) -> Decode<Op> {
        let (leaf, codec) = (LeafId::read(&mut self.heads)?, self.heads.u16()?);
        let count = self.heads.count(CUTS_MAX as u64)?;
        let mut cuts: Vec<Cut> = Vec::new();
        for _ in 0..count {
            let depth = self.cuts.u8()?;
            let (kind, name) = (NodeKind::read(&mut self.cuts)?, self.cuts.bytes(NAME_BYTES_MAX)?.to_vec());
            let start = self.cuts.count(u32::MAX.into())? as u32;
            let start = start.wrapping_add(expected(cuts.last(), depth));
            let end = start.wrapping_add(self.cuts.count(u32::MAX.into())? as u32);
            cuts.push(Cut { depth, kind, name, start, end });
        }
        Ok(Op::Split(Split { leaf, codec, cuts }))
    }

    fn hunk(&mut self) -> Decode<Hunk> {
        let (after, before) = (self.anchor()?, self.anchor()?);
        let count = self.heads.count(RUNS_MAX as u64)?;
        let deleted = (0..count).map(|_| self.run()).collect::<Decode<_>>()?;
        let count = self.heads.count(TOKENS_MAX as u64)?;
        let inserted = (0..count).map(|_| self.token()).collect::<Decode<_>>()?;
        let settles: Vec<HunkId> = self.heads.list(SETTLES_MAX)?;
        Ok(Hunk { after, before, deleted, inserted, settles, nonce: self.number()? })
    }

    fn anchor(&mut self) -> Decode<Option<TokenId>> {
        if !crate::text::read_flag(&mut self.heads)? {
            return Ok(None);
        }
        Ok(Some(TokenId { origin: Origin::read(&mut self.heads)?, index: self.number()? }))
    }

    fn run(&mut self) -> Decode<Run> {
        Ok(Run { origin: Origin::read(&mut self.heads)?, first: self.number()?, count: self.number()? })
    }

    fn token(&mut self) -> Decode<Vec<u8>> {
        let bytes = self.heads.count(TOKEN_BYTES_MAX as u64)? as usize;
        self.texts.raw(bytes).map(<[u8]>::to_vec)
    }

    /// All columns must be used up.
    pub(super) fn finish(&self) -> Decode<()> {
        self.heads.finish()?;
        self.cuts.finish()?;
        self.texts.finish()
    }
}
