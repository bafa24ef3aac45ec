//! Which commits are new, in an order in which parents come first.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::Commit;
use super::source::Source;
use super::{Oid, Problem};
use crate::error::NodeError;

/// How far a commit has been followed.
enum Step {
    Enter(Oid),
    Leave(Oid),
}

/// The commits in the past of `tips` that are not `known`, parents first; neighbours in a line of history stay
/// neighbours. The past of what is known is not looked at.
pub(crate) fn fresh(
    source: &Source,
    tips: &[Oid],
    mut known: impl FnMut(Oid, &Commit) -> Result<bool, NodeError>,
) -> Result<Vec<Oid>, NodeError> {
    let (mut order, mut met, mut open) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut steps: Vec<Step> = tips.iter().rev().map(|tip| Step::Enter(*tip)).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(id) if open.contains(&id) => {
                return Err(Problem::Cycle { commit: id.to_string() }.into());
            }
            Step::Enter(id) if !met.insert(id) => {}
            Step::Enter(id) => {
                let commit = Commit::read(id, &source.commit(id)?)?;
                if known(id, &commit)? {
                    continue;
                }
                open.insert(id);
                steps.push(Step::Leave(id));
                steps.extend(commit.parents.iter().rev().map(|parent| Step::Enter(*parent)));
            }
            Step::Leave(id) => {
                open.remove(&id);
                order.push(id);
            }
        }
    }
    Ok(order)
}

/// To which branch each new commit belongs: the first of `branches` on whose line of first parents it lies.
pub(crate) fn lines<'a>(
    branches: &'a [(String, Oid)],
    first_parents: &BTreeMap<Oid, Option<Oid>>,
) -> BTreeMap<Oid, &'a str> {
    let mut lines = BTreeMap::new();
    for (name, tip) in branches {
        let mut next = Some(*tip);
        while let Some(id) = next.filter(|id| first_parents.contains_key(id) && !lines.contains_key(id)) {
            lines.insert(id, name.as_str());
            next = first_parents.get(&id).copied().flatten();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_belongs_to_the_first_branch_on_whose_line_it_lies() {
        let id = |n: u8| Oid::from_bytes_or_panic(&[n; 20]);
        let parents = BTreeMap::from([(id(2), Some(id(1))), (id(3), Some(id(2))), (id(4), Some(id(2)))]);
        let branches = [("main".to_owned(), id(3)), ("side".to_owned(), id(4)), ("same".to_owned(), id(3))];
        let lines = lines(&branches, &parents);
        let expected = BTreeMap::from([(id(2), "main"), (id(3), "main"), (id(4), "side")]);
        assert_eq!(lines, expected);
    }
}
