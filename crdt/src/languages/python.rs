//! How Python is cut.

use super::{Item, Language};

pub(super) static PYTHON: Language = Language {
    codec: 3,
    extensions: &["py", "pyi"],
    grammar: || tree_sitter_python::LANGUAGE.into(),
    items: &[
        Item { kind: "function_definition", word: "def", name: &["name"], body: None },
        Item { kind: "class_definition", word: "class", name: &["name"], body: Some("body") },
    ],
    leading: &["comment"],
    inner: &["#!", "# -*-"],
};
