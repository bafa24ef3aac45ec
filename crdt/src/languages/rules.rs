//! A query file, compiled, and what it says about the children of one node.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Query, QueryCursor, QueryMatch, StreamingIterator};

use crate::path::NAME_BYTES_MAX;

/// What a capture says.
enum Role {
    Item(Box<str>),
    Name,
    Body,
    Lead,
    Stay,
    Open,
    /// For a predicate only.
    Other,
}

/// How a pattern names its items.
#[derive(Default)]
struct Naming {
    joint: Option<Box<str>>,
    name: Option<Box<str>>,
}

/// A compiled query file.
pub(crate) struct Rules {
    query: Query,
    roles: Vec<Role>,
    namings: Vec<Naming>,
    holders: BTreeSet<Box<str>>,
}

/// What a query says about a node.
pub(crate) enum Mark<'a, 'tree> {
    /// An item.
    Item(Found<'a, 'tree>),
    /// It belongs to the item that follows.
    Lead,
    /// It belongs to nothing that follows.
    Stay,
    /// What lies in it counts as lying around it.
    Open,
}

/// An item that a query found.
pub(crate) struct Found<'a, 'tree> {
    /// Our word for it.
    pub(crate) word: &'a str,
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// What holds the items in it.
    pub(crate) body: Option<Node<'tree>>,
}

/// What a query says about nodes by their ids, and the pattern that has the say.
pub(crate) type Marks<'a, 'tree> = BTreeMap<usize, (usize, Mark<'a, 'tree>)>;

impl Rules {
    /// Compiles a query; `None` if it does not fit the grammar.
    pub(super) fn compile(grammar: &tree_sitter::Language, text: &str) -> Option<Self> {
        let query = Query::new(grammar, text).ok()?;
        let roles: Vec<_> = query.capture_names().iter().map(|name| Role::of(name)).collect();
        let namings = (0..query.pattern_count()).map(|pattern| Naming::of(&query, pattern)).collect();
        let mut holders = BTreeSet::new();
        for pattern in 0..query.pattern_count() {
            let used = query.capture_quantifiers(pattern).iter().zip(&roles);
            let used: Vec<_> = used
                .filter(|(often, _)| **often != tree_sitter::CaptureQuantifier::Zero)
                .map(|(_, role)| role)
                .collect();
            let holds = used.iter().any(|role| matches!(role, Role::Body));
            holders.extend(used.iter().filter_map(|role| match role {
                Role::Item(word) if holds => Some(word.clone()),
                _ => None,
            }));
        }
        Some(Self { query, roles, namings, holders })
    }

    /// Whether items with this word may hold items.
    pub(super) fn may_hold(&self, word: &str) -> bool {
        self.holders.contains(word)
    }

    /// What the query says about the children of `parent`.
    pub(crate) fn marks<'a, 'tree>(
        &'a self,
        cursor: &mut QueryCursor,
        parent: Node<'tree>,
        bytes: &[u8],
    ) -> Marks<'a, 'tree> {
        let mut marks = Marks::new();
        cursor.set_max_start_depth(Some(1));
        let mut matches = cursor.matches(&self.query, parent, bytes);
        while let Some(found) = matches.next() {
            let pattern = found.pattern_index;
            for (id, mark) in self.read(found, bytes) {
                if marks.get(&id).is_none_or(|(known, _)| pattern < *known) {
                    marks.insert(id, (pattern, mark));
                }
            }
        }
        marks
    }

    /// The marks that one match makes.
    fn read<'a, 'tree>(
        &'a self,
        found: &QueryMatch<'_, 'tree>,
        bytes: &[u8],
    ) -> Vec<(usize, Mark<'a, 'tree>)> {
        let (mut items, mut marks) = (Vec::new(), Vec::new());
        let (mut names, mut body) = (Vec::new(), None);
        for capture in found.captures() {
            let node = capture.node;
            match self.roles.get(capture.index as usize) {
                Some(Role::Item(word)) => items.push((node.id(), &**word)),
                Some(Role::Name) => names.push(bytes.get(node.byte_range()).unwrap_or_default()),
                Some(Role::Body) => body = Some(node),
                Some(Role::Lead) => marks.push((node.id(), Mark::Lead)),
                Some(Role::Stay) => marks.push((node.id(), Mark::Stay)),
                Some(Role::Open) => marks.push((node.id(), Mark::Open)),
                Some(Role::Other) | None => {}
            }
        }
        let naming = self.namings.get(found.pattern_index);
        let name = naming.map(|naming| naming.name_from(&names)).unwrap_or_default();
        let items = items.into_iter().filter(|_| !name.is_empty());
        marks.extend(items.map(|(id, word)| (id, Mark::Item(Found { word, name: name.clone(), body }))));
        marks
    }
}

impl Role {
    fn of(name: &str) -> Self {
        match name {
            "name" => Role::Name,
            "body" => Role::Body,
            "lead" => Role::Lead,
            "stay" => Role::Stay,
            "open" => Role::Open,
            _ => name.strip_prefix("item.").map_or(Role::Other, |word| Role::Item(word.into())),
        }
    }
}

impl Naming {
    fn of(query: &Query, pattern: usize) -> Self {
        let mut naming = Naming::default();
        for set in query.property_settings(pattern) {
            match &*set.key {
                "joint" => naming.joint.clone_from(&set.value),
                "name" => naming.name.clone_from(&set.value),
                _ => {}
            }
        }
        naming
    }

    /// The name of an item: its parts joined, blanks made single.
    fn name_from(&self, parts: &[&[u8]]) -> Vec<u8> {
        if parts.is_empty() {
            return self.name.as_deref().unwrap_or_default().as_bytes().to_vec();
        }
        let parts: Vec<_> = parts.iter().map(|part| single_blanks(part)).collect();
        let mut name = parts.join(self.joint.as_deref().unwrap_or(".").as_bytes());
        name.truncate(NAME_BYTES_MAX);
        let whole = std::str::from_utf8(&name).map_or_else(|error| error.valid_up_to(), str::len);
        if name.len() == NAME_BYTES_MAX && whole + 4 > NAME_BYTES_MAX {
            name.truncate(whole);
        }
        name
    }
}

fn single_blanks(text: &[u8]) -> Vec<u8> {
    let words: Vec<_> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}
