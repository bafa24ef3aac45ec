//! How Rust is cut.

use super::{Item, Language};

pub(super) static RUST: Language = Language {
    codec: 2,
    extensions: &["rs"],
    grammar: || tree_sitter_rust::LANGUAGE.into(),
    items: &[
        leaf("function_item", "fn"),
        leaf("function_signature_item", "fn"),
        leaf("struct_item", "struct"),
        leaf("enum_item", "enum"),
        leaf("union_item", "union"),
        leaf("const_item", "const"),
        leaf("static_item", "static"),
        leaf("type_item", "type"),
        leaf("associated_type", "type"),
        leaf("macro_definition", "macro"),
        Item { kind: "impl_item", word: "impl", name: &["trait", "type"], body: Some("body") },
        Item { kind: "trait_item", word: "trait", name: &["name"], body: Some("body") },
        Item { kind: "mod_item", word: "mod", name: &["name"], body: Some("body") },
    ],
    leading: &["line_comment", "block_comment", "attribute_item"],
    inner: &["//!", "/*!"],
};

const fn leaf(kind: &'static str, word: &'static str) -> Item {
    Item { kind, word, name: &["name"], body: None }
}
