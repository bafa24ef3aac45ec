//! A configuration file as key paths and values: `optimizer.lr` is `0.1`.
//!
//! This is for people who read a difference; nothing that merges depends on it. Elements of a
//! list are named by their `name`, `id` or `key` where they have one, else by their number, so that an
//! element put in front does not change all that follow.

use std::cell::Cell;
use std::collections::BTreeMap;

use tree_sitter::Node;

use super::parse::parse;
use crate::languages::{language, name_of};

/// How deep values are looked into; what lies deeper is one value.
const DEPTH_MAX: usize = 64;
/// A file of more values is told by lines.
const SETTINGS_MAX: usize = 20_000;
/// As many characters of a key are told.
const KEY_CHARS_MAX: usize = 100;
/// The keys that name an element of a list.
const LABELS: [&str; 3] = ["name", "id", "key"];

/// One value of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The keys that lead to it.
    pub path: String,
    /// The value as it is written.
    pub value: String,
    /// Its first byte in the file.
    pub start: usize,
}

/// The values of a file in a language of keys and values; `None` for other files, for those of very many
/// values, and for what no grammar follows.
pub fn settings(codec: u16, bytes: &[u8]) -> Option<Vec<Setting>> {
    if !matches!(name_of(codec)?, "json" | "yaml" | "toml") {
        return None;
    }
    let tree = parse(language(codec)?, bytes, None)?;
    let reader = Reader { bytes, left: Cell::new(SETTINGS_MAX + 1) };
    let mut found = reader.inside(tree.root_node(), 0);
    if reader.left.get() == 0 {
        return None;
    }
    let mut met = BTreeMap::<String, usize>::new();
    for setting in &mut found {
        // A key that is there twice is a mistake, but not a reason to show one of them only.
        let times = met.entry(setting.path.clone()).or_default();
        *times += 1;
        if *times > 1 {
            setting.path += &format!("({times})");
        }
    }
    Some(found)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// How many values may still be found.
    left: Cell<usize>,
}

impl Reader<'_> {
    /// The values in a node, their paths from it on; a value itself has the empty path.
    fn walk(&self, node: Node<'_>, depth: usize) -> Vec<Setting> {
        if self.left.get() == 0 {
            return Vec::new();
        }
        if depth > DEPTH_MAX {
            return vec![self.value(node)];
        }
        match node.kind() {
            "pair" | "block_mapping_pair" | "flow_pair" => self.pair(node, depth),
            "table" => self.table(node, depth),
            "array" | "block_sequence" | "flow_sequence" => self.list(node, depth),
            "object"
            | "block_mapping"
            | "flow_mapping"
            | "inline_table"
            | "block_node"
            | "flow_node"
            | "block_sequence_item"
            | "document"
            | "stream" => {
                let found = self.inside(node, depth);
                if found.is_empty() { vec![self.value(node)] } else { found }
            }
            _ => vec![self.value(node)],
        }
    }

    /// The values in the children of a node; elements of one table array are a list.
    fn inside(&self, node: Node<'_>, depth: usize) -> Vec<Setting> {
        let children = parts(node);
        let documents = children.iter().filter(|child| child.kind() == "document").count() > 1;
        let mut arrays = BTreeMap::<String, Vec<Vec<Setting>>>::new();
        let mut found = Vec::new();
        for (index, child) in children.into_iter().enumerate() {
            match child.kind() {
                "table_array_element" => {
                    let (key, pairs) = self.keyed(child, depth);
                    arrays.entry(key).or_default().push(pairs);
                }
                "document" if documents => {
                    found.extend(under(&format!("[{index}]"), self.walk(child, depth + 1)))
                }
                _ => found.extend(self.walk(child, depth + 1)),
            }
        }
        found.extend(arrays.into_iter().flat_map(|(key, elements)| under(&key, labelled(elements))));
        found
    }

    fn pair(&self, node: Node<'_>, depth: usize) -> Vec<Setting> {
        let parts = parts(node);
        let key = node.child_by_field_name("key").or(parts.first().copied());
        let Some(key) = key else { return Vec::new() };
        let last = parts.last().copied().filter(|last| last.id() != key.id());
        match node.child_by_field_name("value").or(last) {
            Some(value) => under(&self.key(key), self.walk(value, depth + 1)),
            None => vec![Setting { path: self.key(key), value: String::new(), start: key.start_byte() }],
        }
    }

    fn table(&self, node: Node<'_>, depth: usize) -> Vec<Setting> {
        let (key, pairs) = self.keyed(node, depth);
        if pairs.is_empty() {
            return vec![Setting { path: key, value: "{}".to_owned(), start: node.start_byte() }];
        }
        under(&key, pairs)
    }

    /// The name of a table and what it holds.
    fn keyed(&self, node: Node<'_>, depth: usize) -> (String, Vec<Setting>) {
        let mut parts = parts(node).into_iter();
        let key = parts.next().map(|key| self.key(key)).unwrap_or_default();
        (key, parts.flat_map(|pair| self.walk(pair, depth + 1)).collect())
    }

    /// A list: one value if it holds nothing but values.
    fn list(&self, node: Node<'_>, depth: usize) -> Vec<Setting> {
        let elements: Vec<_> = parts(node).into_iter().map(|part| self.walk(part, depth + 1)).collect();
        let plain = |element: &Vec<Setting>| element.iter().all(|setting| setting.path.is_empty());
        if elements.iter().all(plain) { vec![self.value(node)] } else { labelled(elements) }
    }

    fn value(&self, node: Node<'_>) -> Setting {
        self.left.set(self.left.get().saturating_sub(1));
        let text = self.text(node);
        let words: Vec<_> = text.split_whitespace().collect();
        let value = if text.contains('\n') { words.join(" ") } else { text.trim().to_owned() };
        Setting { path: String::new(), value, start: node.start_byte() }
    }

    /// A key without its quotes, unless it would read as a path then.
    fn key(&self, node: Node<'_>) -> String {
        let text = self.text(node);
        let text = shortened(text.trim());
        let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
        match quoted('"').or_else(|| quoted('\'')) {
            Some(bare) if !bare.is_empty() && !bare.contains(['.', '[', ']', ' ', '#']) => bare.to_owned(),
            _ => text.clone(),
        }
    }

    fn text(&self, node: Node<'_>) -> String {
        String::from_utf8_lossy(self.bytes.get(node.byte_range()).unwrap_or_default()).into_owned()
    }
}

/// As much of a key as is told: whoever reads a difference needs no more, and a path holds many.
fn shortened(key: &str) -> String {
    match key.char_indices().nth(KEY_CHARS_MAX) {
        Some((end, _)) => format!("{}…", key.get(..end).unwrap_or_default()),
        None => key.to_owned(),
    }
}

/// The children that say something.
fn parts(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let silent = ["comment", "tag", "anchor", "yaml_directive", "tag_directive", "reserved_directive"];
    node.named_children(&mut cursor).filter(|child| !silent.contains(&child.kind())).collect()
}

/// The same settings below a key.
fn under(key: &str, settings: Vec<Setting>) -> Vec<Setting> {
    let path = |path: &str| match path {
        "" => key.to_owned(),
        path if path.starts_with('[') => format!("{key}{path}"),
        path => format!("{key}.{path}"),
    };
    settings.into_iter().map(|setting| Setting { path: path(&setting.path), ..setting }).collect()
}

/// The elements of a list, each below its name or number.
fn labelled(elements: Vec<Vec<Setting>>) -> Vec<Setting> {
    let mut met = BTreeMap::<String, usize>::new();
    let each = elements.into_iter().enumerate().flat_map(|(index, element)| {
        let label = LABELS.iter().find_map(|label| element.iter().find(|setting| setting.path == *label));
        let label =
            label.map_or(index.to_string(), |setting| shortened(setting.value.trim_matches(['"', '\''])));
        let times = met.entry(label.clone()).or_default();
        *times += 1;
        let label = if *times > 1 { format!("[{label}({times})]") } else { format!("[{label}]") };
        under(&label, element)
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::codec_of;

    fn read(name: &str, text: &str) -> Vec<(String, String)> {
        let settings = settings(codec_of(name.as_bytes()), text.as_bytes()).expect("it parses");
        for setting in &settings {
            assert!(setting.start <= text.len());
        }
        settings.into_iter().map(|setting| (setting.path, setting.value)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn json() {
        let text = r#"{"optimizer": {"lr": 0.1, "a.b": "x"}, "sizes": [1,
            2], "empty": {}, "layers": [{"name": "in", "units": 8}, {"units": 9}]}"#;
        let wanted = [
            ("optimizer.lr", "0.1"),
            ("optimizer.\"a.b\"", "\"x\""),
            ("sizes", "[1, 2]"),
            ("empty", "{}"),
            ("layers[in].name", "\"in\""),
            ("layers[in].units", "8"),
            ("layers[1].units", "9"),
        ];
        assert_eq!(read("a.json", text), pairs(&wanted));
        assert_eq!(read("a.json", "{\"a\": 1, \"a\": 2}"), pairs(&[("a", "1"), ("a(2)", "2")]));
        assert_eq!(read("a.json", "3"), pairs(&[("", "3")]));
    }

    #[test]
    fn yaml() {
        let text = "# note\noptimizer:\n  lr: 0.1 # small\n  kind: adam\nsteps:\n  - name: build\n    run: make\n  - run: test\nflags: [a, b]\nnone:\n";
        let wanted = [
            ("optimizer.lr", "0.1"),
            ("optimizer.kind", "adam"),
            ("steps[build].name", "build"),
            ("steps[build].run", "make"),
            ("steps[1].run", "test"),
            ("flags", "[a, b]"),
            ("none", ""),
        ];
        assert_eq!(read("a.yaml", text), pairs(&wanted));
        assert_eq!(read("a.yml", "a: 1\n---\na: 2\n"), pairs(&[("[0].a", "1"), ("[1].a", "2")]));
    }

    #[test]
    fn toml() {
        let text = "edition = 2024\n[package]\nname = \"x\"\n[a.b]\nc = { d = 1 }\n[[bin]]\nname = \"one\"\n[[bin]]\npath = \"p\"\n[none]\n";
        let wanted = [
            ("edition", "2024"),
            ("package.name", "\"x\""),
            ("a.b.c.d", "1"),
            ("none", "{}"),
            ("bin[one].name", "\"one\""),
            ("bin[1].path", "\"p\""),
        ];
        assert_eq!(read("a.toml", text), pairs(&wanted));
    }

    #[test]
    fn other_files_and_broken_ones_have_none_or_do_no_harm() {
        assert_eq!(settings(codec_of(b"a.rs"), b"fn a() {}"), None);
        for text in ["{", "[[[", "a: [", "\u{feff}{}", "{\"a\" 1}", "= =", "- - - -"] {
            for name in ["a.json", "a.yaml", "a.toml"] {
                let _ = settings(codec_of(name.as_bytes()), text.as_bytes());
            }
        }
        let many = format!("[{}{{}}]", "{\"a\": 1},\n".repeat(30_000));
        assert_eq!(settings(codec_of(b"a.json"), many.as_bytes()), None);
        let key = "k".repeat(300_000);
        let long = format!("{{\"{key}\": [{}{{}}]}}", "{\"a\": 1},".repeat(10_000));
        let told = settings(codec_of(b"a.json"), long.as_bytes()).expect("few values");
        assert!(told.iter().all(|setting| setting.path.len() < 200));
        let deep = format!("{}1{}", "[".repeat(900), "]".repeat(900));
        assert!(settings(codec_of(b"a.json"), deep.as_bytes()).is_some());
    }
}
