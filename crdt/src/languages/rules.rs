//! What a query file says about one node of a tree.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use crate::languages::query::{Captured, Rule, read};
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

/// A query file that was read.
pub(crate) struct Rules {
    rules: Vec<Rule>,
    roles: Vec<Role>,
    /// The rules that may speak about a kind of node, in the order of the file.
    by_kind: BTreeMap<u16, Vec<usize>>,
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

impl Rules {
    /// Reads a query file; an error says what in it does not fit the grammar.
    pub(super) fn compile(grammar: &tree_sitter::Language, text: &str) -> Result<Self, String> {
        let (rules, captures) = read(grammar, text)?;
        let roles: Vec<_> = captures.iter().map(|name| Role::of(name)).collect();
        let mut by_kind = BTreeMap::<u16, Vec<usize>>::new();
        let mut holders = BTreeSet::new();
        for (number, rule) in rules.iter().enumerate() {
            for kind in rule.pattern.kinds() {
                by_kind.entry(kind).or_default().push(number);
            }
            let used: Vec<_> =
                rule.pattern.all_captures().iter().filter_map(|capture| roles.get(*capture)).collect();
            let holds = used.iter().any(|role| matches!(role, Role::Body));
            holders.extend(used.iter().filter_map(|role| match role {
                Role::Item(word) if holds => Some(word.clone()),
                _ => None,
            }));
        }
        Ok(Self { rules, roles, by_kind, holders })
    }

    /// Whether items with this word may hold items.
    pub(super) fn may_hold(&self, word: &str) -> bool {
        self.holders.contains(word)
    }

    /// What the query says about a node: the first rule that fits has the say.
    pub(crate) fn mark<'tree>(&self, node: Node<'tree>, bytes: &[u8]) -> Option<Mark<'_, 'tree>> {
        let rules = self.by_kind.get(&node.kind_id())?;
        let mut found = Captured::new();
        rules.iter().filter_map(|rule| self.rules.get(*rule)).find_map(|rule| {
            found.clear();
            let fits = rule.pattern.fits(node, &mut found);
            let holds = fits && rule.extra.checks.iter().all(|check| check.holds(&found, bytes));
            if holds { self.say(rule, &found, bytes) } else { None }
        })
    }

    fn say<'tree>(&self, rule: &Rule, found: &Captured<'tree>, bytes: &[u8]) -> Option<Mark<'_, 'tree>> {
        let (mut says, mut names, mut body) = (None, Vec::new(), None);
        for (capture, node) in found {
            match self.roles.get(*capture)? {
                Role::Name => names.push(bytes.get(node.byte_range()).unwrap_or_default()),
                Role::Body => body = Some(*node),
                Role::Other => {}
                role => says = Some(role),
            }
        }
        match says? {
            Role::Lead => Some(Mark::Lead),
            Role::Stay => Some(Mark::Stay),
            Role::Open => Some(Mark::Open),
            Role::Item(word) => {
                let name = name_of(rule, &names);
                (!name.is_empty()).then_some(Mark::Item(Found { word, name, body }))
            }
            Role::Name | Role::Body | Role::Other => None,
        }
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

/// The name of an item: its parts joined, blanks made single.
fn name_of(rule: &Rule, parts: &[&[u8]]) -> Vec<u8> {
    let setting = |wanted: &str| {
        let found = rule.extra.settings.iter().find(|(key, _)| key == wanted);
        found.map(|(_, value)| value.as_bytes())
    };
    if parts.is_empty() {
        return setting("name").unwrap_or_default().to_vec();
    }
    let parts: Vec<_> = parts.iter().map(|part| single_blanks(part)).collect();
    let mut name = parts.join(setting("joint").unwrap_or(b"."));
    name.truncate(NAME_BYTES_MAX);
    let whole = std::str::from_utf8(&name).map_or_else(|error| error.valid_up_to(), str::len);
    if name.len() == NAME_BYTES_MAX && whole + 4 > NAME_BYTES_MAX {
        name.truncate(whole);
    }
    name
}

fn single_blanks(text: &[u8]) -> Vec<u8> {
    let words: Vec<_> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}
