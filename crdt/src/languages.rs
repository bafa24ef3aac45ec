//! The languages whose files are cut into named items: one table each.
//!
//! A table says which of a grammar's words make an item, where its name stands and
//! whether items may lie inside. A codec is the pair of a table and a grammar; changing
//! either changes how new files are cut, never what an old waypoint shows.

mod python;
mod rust;

/// Text that no language claims, cut at line borders.
pub const LINES: u16 = 1;

/// How the files of one language are cut.
pub(crate) struct Language {
    /// The codec's number in signed bytes.
    pub(crate) codec: u16,
    /// File name extensions.
    pub(crate) extensions: &'static [&'static str],
    /// The grammar.
    pub(crate) grammar: fn() -> tree_sitter::Language,
    /// The words that make an item.
    pub(crate) items: &'static [Item],
    /// Words for what belongs to the item that follows.
    pub(crate) leading: &'static [&'static str],
    /// How a comment begins that speaks about what is around it.
    pub(crate) inner: &'static [&'static str],
}

/// One word of a grammar that makes an item.
pub(crate) struct Item {
    /// The grammar's word.
    pub(crate) kind: &'static str,
    /// Our word.
    pub(crate) word: &'static str,
    /// The fields that make the name.
    pub(crate) name: &'static [&'static str],
    /// The field that holds further items.
    pub(crate) body: Option<&'static str>,
}

/// All languages.
pub(crate) static LANGUAGES: [&Language; 2] = [&rust::RUST, &python::PYTHON];

/// The codec of a file by its name.
pub fn codec_of(name: &[u8]) -> u16 {
    let extension = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    let extension = extension.unwrap_or_default();
    let claims = |language: &&&Language| language.extensions.iter().any(|end| end.as_bytes() == extension);
    LANGUAGES.iter().find(claims).map_or(LINES, |language| language.codec)
}

/// The language of a codec.
pub(crate) fn language(codec: u16) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.codec == codec).copied()
}

/// Whether a codec cuts by a grammar.
pub(crate) fn has_grammar(codec: u16) -> bool {
    language(codec).is_some()
}

/// Whether items of this kind may hold items.
pub(crate) fn has_items(codec: u16, kind: &crate::op::NodeKind) -> bool {
    let crate::op::NodeKind::Item(word) = kind else { return false };
    language(codec)
        .is_some_and(|language| language.items.iter().any(|item| item.word == word && item.body.is_some()))
}
