//! Which versions become commits, and on top of which.
//!
//! Commits that were imported go out again, and so does every version that a branch or a mark names. Waypoints between
//! them stay on this side: a commit stands on the nearest versions below it that are commits.

use std::collections::BTreeMap;
use std::rc::Rc;

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Documents, Frontier};

/// A version that becomes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) version: Frontier,
    /// The versions that it stands on, by their place in the list.
    pub(crate) parents: Vec<usize>,
}

/// The nearest units at or below a waypoint, by their place in the list.
type Nearest = Rc<[usize]>;

/// The units, parents first. `is_imported` tells which waypoints were commits; `named` are the versions with labels.
pub(crate) fn units(
    documents: &Documents,
    named: &[Frontier],
    is_imported: &dyn Fn(&WaypointId) -> bool,
) -> Vec<Unit> {
    let all = documents.frontier_of(named.iter().flat_map(|version| version.heads().iter().copied()));
    let mut single: BTreeMap<WaypointId, ()> = BTreeMap::new();
    let mut joint: Vec<&Frontier> = Vec::new();
    for version in named {
        match version.heads() {
            [] => {}
            [head] => drop(single.insert(*head, ())),
            _ if joint.contains(&version) => {}
            _ => joint.push(version),
        }
    }
    let mut units: Vec<Unit> = Vec::new();
    let mut nearest: BTreeMap<WaypointId, Nearest> = BTreeMap::new();
    for id in documents.ancestors(&all) {
        let below = below(documents, &units, documents.parents(&id), &nearest);
        let here: Nearest = if is_imported(&id) || single.contains_key(&id) {
            units.push(Unit { version: Frontier::from_iter([id]), parents: below.to_vec() });
            Rc::from([units.len() - 1])
        } else {
            below
        };
        nearest.insert(id, here);
    }
    for version in joint {
        let parents = below_all(documents, &units, version.heads(), &nearest).to_vec();
        units.push(Unit { version: version.clone(), parents });
    }
    units
}

fn below(
    documents: &Documents,
    units: &[Unit],
    parents: &[WaypointId],
    nearest: &BTreeMap<WaypointId, Nearest>,
) -> Nearest {
    match parents {
        [one] => nearest.get(one).cloned().unwrap_or_default(),
        many => below_all(documents, units, many, nearest),
    }
}

/// The nearest units below several waypoints, without those that lie below another of them.
fn below_all(
    documents: &Documents,
    units: &[Unit],
    heads: &[WaypointId],
    nearest: &BTreeMap<WaypointId, Nearest>,
) -> Nearest {
    let mut found: Vec<usize> =
        heads.iter().filter_map(|head| nearest.get(head)).flat_map(|units| units.iter()).copied().collect();
    found.sort_unstable();
    found.dedup();
    let head = |unit: &usize| units.get(*unit).and_then(|unit| unit.version.heads().first()).copied();
    let heads = documents.frontier_of(found.iter().filter_map(head));
    found.retain(|unit| head(unit).is_some_and(|id| heads.heads().contains(&id)));
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_crdt::Change;
    use cairn_crdt::id::ProjectId;

    fn id(n: u8) -> WaypointId {
        WaypointId([n; 32])
    }

    #[test]
    fn a_commit_stands_on_the_nearest_commits_below() {
        let mut documents = Documents::new(ProjectId([1; 32]));
        let graph: [(u8, &[u8]); 6] = [(1, &[]), (2, &[1]), (3, &[2]), (4, &[1]), (5, &[3, 4]), (6, &[4])];
        for (n, parents) in graph {
            let parents = parents.iter().map(|n| id(*n)).collect();
            documents.insert(Change { id: id(n), parents, ops: std::sync::Arc::from([]) }).unwrap();
        }
        let version = |heads: &[u8]| heads.iter().map(|n| id(*n)).collect::<Frontier>();
        let named = [version(&[5]), version(&[3, 6])];
        let found = units(&documents, &named, &|waypoint| [id(1), id(4)].contains(waypoint));
        let told: Vec<_> = found.iter().map(|unit| (unit.version.clone(), unit.parents.clone())).collect();
        let at = |heads: &[u8]| found.iter().position(|unit| unit.version == version(heads)).unwrap();
        assert_eq!(told.len(), 4);
        assert_eq!(found[at(&[4])].parents, [at(&[1])]);
        assert_eq!(found[at(&[5])].parents, [at(&[4])], "what lies below another parent is none");
        assert_eq!(found[at(&[3, 6])].parents, [at(&[4])]);
    }
}
