//! The list engine behind a leaf: automerge keeps one list of all tokens that ever were.
//!
//! Automerge gives what is hard about lists: every token an identity and all tokens one total
//! order, whatever the order of arrival. It never sees bytes from outside. Each hunk, already
//! checked, is turned into one change of which every part is derived: the actor is the hunk's name,
//! the sequence number 1, the first operation follows the last of the dependencies, the time 0.
//! So every replica builds the same changes, nobody can forge a counter that makes the engine panic
//! later, and the engine stays out of the signed format.
//!
//! The list only grows. Which tokens are live is decided in `resolve`, by rules that need the
//! place of dead tokens too; the engine's own delete would hide exactly that, and a delete per token
//! would let one short hunk that names a million tokens grow every replica by a million operations.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{
    ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjId, ObjType, ReadDoc, ScalarValue,
};

use crate::hunk::{Hunk, Origin, TokenId};
use crate::id::{HunkId, LeafId, derive};

/// The operation that makes the list.
const LIST_OP: u64 = 1;

/// Why the engine refused what was checked before; a bug.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineFault;

#[derive(Debug, Clone, Copy)]
struct Placed {
    hash: ChangeHash,
    start_op: u64,
    max_op: u64,
}

/// The list of all tokens of one leaf.
#[derive(Debug, Clone)]
pub(super) struct Document {
    engine: Automerge,
    genesis: ActorId,
    first: Placed,
    placed: BTreeMap<HunkId, Placed>,
}

impl Document {
    /// The list with the tokens that the leaf began with.
    pub(super) fn new(leaf: LeafId, tokens: &[&[u8]]) -> Result<Self, EngineFault> {
        let genesis = ActorId::from(&derive("cairn 1 genesis", &[&leaf.0]));
        let mut operations = vec![Op {
            action: OpType::Make(ObjType::List),
            obj: ObjectId::Root,
            key: Key::Map("t".into()),
            pred: SortedVec::new(),
            insert: false,
        }];
        let list = ObjectId::Id(OpId::new(LIST_OP, &genesis));
        operations.extend(insertions(&genesis, &list, LIST_OP + 1, ElementId::Head, tokens.iter().copied()));
        let change = derived(genesis.clone(), LIST_OP, Vec::new(), operations)?;
        let first = placed(&change);
        // The actor is never used, because nothing is ever written here; it is set so that
        // nothing about a document is random.
        let mut engine = Automerge::new().with_actor(genesis.clone());
        engine.apply_changes([change]).map_err(|_| EngineFault)?;
        Ok(Self { engine, genesis, first, placed: BTreeMap::new() })
    }

    /// Adds hunks that were checked; each comes after those it depends on.
    pub(super) fn apply<'a>(
        &mut self,
        hunks: impl Iterator<Item = (HunkId, &'a Hunk)>,
    ) -> Result<(), EngineFault> {
        let mut changes = Vec::new();
        for (id, hunk) in hunks {
            let change = self.change(id, hunk)?;
            self.placed.insert(id, placed(&change));
            changes.push(change);
        }
        self.engine.apply_changes(changes).map_err(|_| EngineFault)
    }

    fn change(&self, id: HunkId, hunk: &Hunk) -> Result<Change, EngineFault> {
        let mut below: Vec<Placed> = Vec::new();
        for dependency in hunk.dependencies() {
            below.push(*self.placed.get(&dependency).ok_or(EngineFault)?);
        }
        if below.is_empty() {
            below.push(self.first);
        }
        let start_op = 1 + below.iter().map(|placed| placed.max_op).max().unwrap_or(LIST_OP);
        let mut deps: Vec<ChangeHash> = below.iter().map(|placed| placed.hash).collect();
        deps.sort_unstable();
        deps.dedup();
        let actor = ActorId::from(&id.0);
        let list = ObjectId::Id(OpId::new(LIST_OP, &self.genesis));
        let anchor = self.element(hunk.after)?;
        let tokens = hunk.inserted.iter().map(Vec::as_slice);
        let operations = insertions(&actor, &list, start_op, anchor, tokens).collect();
        derived(actor, start_op, deps, operations)
    }

    fn element(&self, token: Option<TokenId>) -> Result<ElementId, EngineFault> {
        let Some(token) = token else { return Ok(ElementId::Head) };
        let index = u64::from(token.index);
        Ok(ElementId::Id(match token.origin {
            Origin::Genesis => OpId::new(LIST_OP + 1 + index, &self.genesis),
            Origin::Hunk(id) => {
                let placed = self.placed.get(&id).ok_or(EngineFault)?;
                OpId::new(placed.start_op + index, &ActorId::from(&id.0))
            }
        }))
    }

    /// All tokens that ever were, in the engine's order.
    pub(super) fn order(&self) -> Result<Vec<TokenId>, EngineFault> {
        let list = ObjId::Id(LIST_OP, self.genesis.clone(), 0);
        self.engine.list_range(&list, ..).map(|item| self.token(&item.id())).collect()
    }

    fn token(&self, element: &ObjId) -> Result<TokenId, EngineFault> {
        let ObjId::Id(counter, actor, _) = element else { return Err(EngineFault) };
        let (origin, start) = if *actor == self.genesis {
            (Origin::Genesis, LIST_OP + 1)
        } else {
            let id = HunkId(actor.to_bytes().try_into().map_err(|_| EngineFault)?);
            (Origin::Hunk(id), self.placed.get(&id).ok_or(EngineFault)?.start_op)
        };
        let index = counter.checked_sub(start).and_then(|index| u32::try_from(index).ok());
        Ok(TokenId { origin, index: index.ok_or(EngineFault)? })
    }
}

fn placed(change: &Change) -> Placed {
    Placed { hash: change.hash(), start_op: change.start_op().get(), max_op: change.max_op() }
}

/// One insertion per token, each behind the one before.
fn insertions<'a>(
    actor: &'a ActorId,
    list: &'a ObjectId,
    start_op: u64,
    anchor: ElementId,
    tokens: impl Iterator<Item = &'a [u8]> + 'a,
) -> impl Iterator<Item = Op> + 'a {
    let own = move |at: u64| ElementId::Id(OpId::new(start_op + at - 1, actor));
    tokens.enumerate().map(move |(at, token)| Op {
        action: OpType::Put(ScalarValue::Bytes(token.to_vec())),
        obj: list.clone(),
        key: Key::Seq(if at == 0 { anchor.clone() } else { own(at as u64) }),
        pred: SortedVec::new(),
        insert: true,
    })
}

fn derived(
    actor_id: ActorId,
    start_op: u64,
    deps: Vec<ChangeHash>,
    operations: Vec<Op>,
) -> Result<Change, EngineFault> {
    let start_op = NonZeroU64::new(start_op).ok_or(EngineFault)?;
    Ok(Change::from(ExpandedChange {
        operations,
        actor_id,
        hash: None,
        seq: 1,
        start_op,
        time: 0,
        message: None,
        deps,
        extra_bytes: Vec::new(),
        author: None,
    }))
}
