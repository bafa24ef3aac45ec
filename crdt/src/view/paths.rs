//! The names under which files and folders are shown.
//!
//! A folder is shown when something in it is, so a file that was added while its folder
//! was deleted brings the folder back. Where two nodes want one name in one folder the
//! smaller id keeps it and the others step aside, visibly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::{NodeId, hex};
use crate::op::NodeKind;
use crate::path::{NAME_BYTES_MAX, Name, RepoPath};
use crate::view::revive::is_alive;
use crate::view::tree::{Ground, Tree};

/// The paths of all files and folders that are shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Paths {
    /// The files.
    pub(crate) files: BTreeMap<RepoPath, NodeId>,
    /// The folders.
    pub(crate) dirs: BTreeMap<RepoPath, NodeId>,
    /// The path of each of them.
    pub(crate) of: BTreeMap<NodeId, RepoPath>,
    /// Nodes that do not have the name they want, and who has it.
    pub(crate) aside: BTreeMap<NodeId, NodeId>,
}

impl Paths {
    /// The paths of a tree; a node too deep for any path is put into the root.
    pub(crate) fn of(ground: Ground<'_>, tree: &mut Tree) -> Self {
        let alive = alive(ground, tree);
        loop {
            let mut paths = Paths::default();
            match paths.walk(ground.root, tree, &alive) {
                None => return paths,
                Some(node) => tree.uproot(node, ground.root),
            }
        }
    }

    /// These paths after some folders came, and some files came, went or got another name; `None` where that is not all
    /// that follows from it.
    pub(crate) fn grown(
        &self,
        ground: Ground<'_>,
        tree: &Tree,
        dirs: &BTreeSet<NodeId>,
        files: &BTreeSet<NodeId>,
    ) -> Option<Self> {
        let mut paths = self.clone();
        for file in files {
            if let Some(path) = paths.of.remove(file) {
                paths.files.remove(&path);
            }
        }
        for dir in dirs {
            let parent = |node: &NodeId| Some(tree.spots.get(node)?.place.parent);
            let came = |node: &NodeId| dirs.contains(node) && !paths.of.contains_key(node);
            let around: Vec<_> = std::iter::successors(Some(*dir), parent).take_while(came).collect();
            for dir in around.into_iter().rev() {
                let path = paths.free(ground, tree, &dir).filter(|_| !is_deleted(tree, &dir))?;
                paths.of.insert(dir, path.clone());
                paths.dirs.insert(path, dir);
            }
        }
        for file in files.iter().filter(|file| is_alive(ground, tree, **file)) {
            let path = paths.free(ground, tree, file)?;
            paths.of.insert(*file, path.clone());
            paths.files.insert(path, *file);
        }
        Some(paths)
    }

    /// The path that a node wants; `None` where it is taken, for whoever wants a name that is taken steps aside, or where the
    /// folder has none.
    fn free(&self, ground: Ground<'_>, tree: &Tree, node: &NodeId) -> Option<RepoPath> {
        let place = &tree.spots.get(node)?.place;
        let name = Name::new(&place.name).ok()?;
        let path = match place.parent == ground.root {
            true => RepoPath::root(&name),
            false => self.of.get(&place.parent)?.join(&name).ok()?,
        };
        let is_taken = self.files.contains_key(&path) || self.dirs.contains_key(&path);
        (!is_taken && self.aside.is_empty()).then_some(path)
    }

    /// Names everything from the root down; gives up at a node that no path can reach.
    fn walk(&mut self, root: NodeId, tree: &Tree, alive: &BTreeSet<NodeId>) -> Option<NodeId> {
        let mut open = VecDeque::from([(root, None::<RepoPath>)]);
        while let Some((folder, path)) = open.pop_front() {
            for (name, node, keeper) in shown_names(&folder, tree, alive) {
                let joined = match &path {
                    Some(path) => path.join(&name),
                    None => Ok(RepoPath::root(&name)),
                };
                let Ok(joined) = joined else { return Some(node) };
                self.aside.extend(keeper.map(|keeper| (node, keeper)));
                self.of.insert(node, joined.clone());
                if tree.spots.get(&node).is_some_and(|spot| spot.place.kind == NodeKind::Dir) {
                    self.dirs.insert(joined.clone(), node);
                    open.push_back((node, Some(joined)));
                } else {
                    self.files.insert(joined, node);
                }
            }
        }
        None
    }
}

fn is_deleted(tree: &Tree, node: &NodeId) -> bool {
    tree.spots.get(node).is_none_or(|spot| spot.deleted)
}

/// The files and folders that are shown: those alive, and the folders around them.
fn alive(ground: Ground<'_>, tree: &Tree) -> BTreeSet<NodeId> {
    let mut alive = BTreeSet::new();
    for (node, spot) in &tree.spots {
        let lives = match spot.place.kind {
            NodeKind::Dir => !spot.deleted,
            NodeKind::File => is_alive(ground, tree, *node),
            _ => false,
        };
        let mut next = lives.then_some(*node);
        while let Some(node) = next.filter(|node| alive.insert(*node)) {
            next = tree.spots.get(&node).map(|spot| spot.place.parent);
        }
    }
    alive
}

/// The names in one folder, each with its node and, where it had to change, who has the name it wants.
fn shown_names(
    folder: &NodeId,
    tree: &Tree,
    alive: &BTreeSet<NodeId>,
) -> Vec<(Name, NodeId, Option<NodeId>)> {
    let mut keepers = BTreeMap::<Name, NodeId>::new();
    let mut others = Vec::new();
    for node in tree.children(folder).iter().filter(|node| alive.contains(node)) {
        let Some(spot) = tree.spots.get(node) else { continue };
        let Ok(name) = Name::new(&spot.place.name) else { continue };
        match keepers.get(&name) {
            Some(keeper) => others.push((name, *node, *keeper)),
            None => {
                keepers.insert(name, *node);
            }
        }
    }
    let mut shown: Vec<_> = keepers.iter().map(|(name, node)| (name.clone(), *node, None)).collect();
    for (wanted, node, keeper) in others {
        let Some(name) = aside(&wanted, node, &keepers) else { continue };
        keepers.insert(name.clone(), node);
        shown.push((name, node, Some(keeper)));
    }
    shown
}

/// `name~<hex>` before the extension, with as many digits as it takes to be free.
fn aside(wanted: &Name, node: NodeId, taken: &BTreeMap<Name, NodeId>) -> Option<Name> {
    let bytes = wanted.as_bytes();
    let dot = bytes.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0).unwrap_or(bytes.len());
    let (stem, end) = bytes.split_at_checked(dot)?;
    let digits = [4, 8, 16, 32].into_iter().filter_map(|count| node.0.get(..count).map(hex));
    let names = digits.flat_map(|digits| {
        let room = NAME_BYTES_MAX.saturating_sub(digits.len() + 1 + end.len());
        let stem = stem.get(..stem.len().min(room)).unwrap_or_default();
        [[stem, b"~", digits.as_bytes(), end].concat(), [b"node~", digits.as_bytes()].concat()]
    });
    names.filter_map(|name| Name::new(&name).ok()).find(|name| !taken.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_steps_aside_keeps_its_extension() {
        let node = NodeId([0xab; 32]);
        let step = |name: &str| aside(&Name::new(name.as_bytes()).unwrap(), node, &BTreeMap::new()).unwrap();
        assert_eq!(step("main.rs").as_bytes(), b"main~abababab.rs");
        assert_eq!(step(".env").as_bytes(), b".env~abababab");
        assert_eq!(step(&"x".repeat(255)).as_bytes().len(), 255);
    }

    #[test]
    fn a_name_never_steps_into_the_private_folder() {
        let node = NodeId([0x11; 32]);
        let name = aside(&Name::new(b"cairn").unwrap(), node, &BTreeMap::new()).unwrap();
        assert_eq!(name.as_bytes(), b"node~11111111");
    }
}
