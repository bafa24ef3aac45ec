//! The languages whose files are cut into named items: one row each.
//!
//! A row names the files, the grammar and one query file. The query says which of a
//! grammar's words make an item, where its name stands and what may lie inside:
//!
//! | capture      | meaning                                                                   |
//! |--------------|---------------------------------------------------------------------------|
//! | `@item.WORD` | an item; `WORD` is our word for it, as in `path#WORD(name)`               |
//! | `@name`      | its name; several are joined by `(#set! joint " ")`, else by a dot        |
//! | `@body`      | what holds the items inside it, in any order: their order is no part of it |
//! | `@lead`      | a comment or an attribute: it belongs to the item that follows            |
//! | `@stay`      | a comment about what is around it: it belongs to nothing that follows     |
//! | `@open`      | a wrapper without a name: what lies in it counts as lying around it       |
//!
//! `(#set! name "x")` names an item that has no name of its own; captures that begin with
//! `_` are for the predicates `#any-of?` and `#begins?`. Only what a pattern says about its outermost
//! node counts. Of several patterns that know a node the first in the file has
//! the say. A thing that is not on lines of its own is no item, whatever the query says.
//!
//! A codec is the triple of a row, a grammar and a query; changing one of them changes how
//! new files are cut, never what an old waypoint shows.

mod query;
mod rules;

use std::sync::OnceLock;

use crate::op::NodeKind;
use crate::syntax::guard::{elements_too_deep, heredocs_too_long, is_mostly_signs};
pub(crate) use rules::{Found, Mark, Rules};

/// Text that no language claims, cut at line borders.
pub const LINES: u16 = 1;

/// How the files of one language are cut.
pub(crate) struct Language {
    /// What people call it.
    pub(crate) name: &'static str,
    /// The codec's number in signed bytes.
    pub(crate) codec: u16,
    /// Ends of file names; one without a dot in front is a whole name.
    files: &'static [&'static str],
    /// The grammar.
    pub(crate) grammar: fn() -> tree_sitter::Language,
    /// The query file.
    query: &'static str,
    /// What stands between the names of nested items.
    joint: &'static str,
    /// What its grammar must not be asked about.
    pub(crate) beyond: fn(&[u8]) -> bool,
    /// The query, compiled when it is first needed.
    rules: OnceLock<Option<Rules>>,
}

impl Language {
    /// The query; `None` only if it does not fit its grammar, which a test rules out.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        self.rules.get_or_init(|| Rules::compile(&(self.grammar)(), self.query).ok()).as_ref()
    }

    fn claims(&self, name: &[u8]) -> bool {
        let end = |end: &str| match end.starts_with('.') {
            true => name.len() >= end.len() && ends_with(name, end.as_bytes()),
            false => name == end.as_bytes(),
        };
        self.files.iter().any(|known| end(known))
    }
}

fn ends_with(name: &[u8], end: &[u8]) -> bool {
    name.len()
        .checked_sub(end.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// One row of the table.
macro_rules! row {
    ($codec:literal $name:literal $joint:literal $grammar:expr, $($file:literal)+) => {
        row!($codec $name $joint $grammar, $($file)+ ; is_mostly_signs)
    };
    ($codec:literal $name:literal $joint:literal $grammar:expr, $($file:literal)+ ; $beyond:expr) => {
        row!($codec $name as $name, $joint $grammar, $($file)+ ; $beyond)
    };
    // A dialect whose items are those of another row.
    ($codec:literal $name:literal as $query:literal, $joint:literal $grammar:expr, $($file:literal)+ ; $beyond:expr) => {
        Language {
            name: $name,
            codec: $codec,
            files: &[$($file),+],
            grammar: || $grammar.into(),
            query: include_str!(concat!("languages/queries/", $query, ".scm")),
            joint: $joint,
            beyond: $beyond,
            rules: OnceLock::new(),
        }
    };
}

/// All languages. Numbers are in signed bytes: they are never changed and never used again.
pub(crate) static LANGUAGES: [Language; 19] = [
    row!(2 "rust" "::" tree_sitter_rust::LANGUAGE, ".rs"),
    row!(3 "python" "." tree_sitter_python::LANGUAGE, ".py" ".pyi" ".pyw" "SConstruct" "wscript"),
    row!(4 "javascript" "." tree_sitter_javascript::LANGUAGE, ".js" ".jsx" ".mjs" ".cjs"),
    row!(5 "typescript" "." tree_sitter_typescript::LANGUAGE_TYPESCRIPT, ".ts" ".mts" ".cts"),
    row!(6 "tsx" as "typescript", "." tree_sitter_typescript::LANGUAGE_TSX, ".tsx" ; is_mostly_signs),
    row!(7 "go" "." tree_sitter_go::LANGUAGE, ".go"),
    row!(8 "java" "." tree_sitter_java::LANGUAGE, ".java"),
    row!(9 "c" "::" tree_sitter_c::LANGUAGE, ".c"),
    row!(10 "cpp" "::" tree_sitter_cpp::LANGUAGE, ".h" ".cc" ".cpp" ".cxx" ".hh" ".hpp" ".hxx" ".ipp" ".tpp" ".inl"),
    row!(11 "csharp" "." tree_sitter_c_sharp::LANGUAGE, ".cs" ".csx"),
    row!(12 "ruby" "::" tree_sitter_ruby::LANGUAGE, ".rb" ".rake" ".gemspec" ".ru" "Gemfile" "Rakefile" "Guardfile"; heredocs_too_long),
    row!(13 "php" "::" tree_sitter_php::LANGUAGE_PHP, ".php" ".phtml" ".inc"),
    row!(14 "bash" "." tree_sitter_bash::LANGUAGE, ".sh" ".bash" ".bats" ".bashrc" ".profile" ".bash_profile" "PKGBUILD"),
    row!(15 "html" " " tree_sitter_html::LANGUAGE, ".html" ".htm" ".xhtml"; elements_too_deep),
    row!(16 "css" " " tree_sitter_css::LANGUAGE, ".css"),
    row!(17 "json" "." tree_sitter_json::LANGUAGE, ".json" ".jsonc" ".geojson" ".webmanifest" ".ipynb" "composer.lock"; |_| false),
    row!(18 "yaml" "." tree_sitter_yaml::LANGUAGE, ".yaml" ".yml" ".clang-format" ".clang-tidy" "CITATION.cff"),
    row!(19 "toml" "." tree_sitter_toml_ng::LANGUAGE, ".toml" "Cargo.lock" "poetry.lock" "uv.lock" "Pipfile"),
    row!(20 "markdown" " > " tree_sitter_md::LANGUAGE, ".md" ".markdown" ".mkd"; |_| false),
];

/// The codec of a file by its name.
pub fn codec_of(name: &[u8]) -> u16 {
    LANGUAGES.iter().find(|language| language.claims(name)).map_or(LINES, |language| language.codec)
}

/// What people call a codec's language; `None` for text that no grammar cuts.
pub fn name_of(codec: u16) -> Option<&'static str> {
    language(codec).map(|language| language.name)
}

/// What stands between the names of nested items, as in `a::b` or `a.b`.
pub fn joint(codec: u16) -> &'static str {
    language(codec).map_or("::", |language| language.joint)
}

/// The language of a codec.
pub(crate) fn language(codec: u16) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.codec == codec)
}

/// Whether a codec cuts by a grammar.
pub(crate) fn has_grammar(codec: u16) -> bool {
    language(codec).is_some()
}

/// Whether the order among items of this kind has no meaning: keys of settings.
pub(crate) fn is_unordered(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Item(word) if word == "key")
}

/// Whether items of this kind may hold items.
pub(crate) fn has_items(codec: u16, kind: &NodeKind) -> bool {
    let NodeKind::Item(word) = kind else { return false };
    language(codec).and_then(Language::rules).is_some_and(|rules| rules.may_hold(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_fits_its_grammar() {
        for language in &LANGUAGES {
            let grammar = (language.grammar)();
            if let Err(error) = Rules::compile(&grammar, language.query) {
                panic!("{}: {error}", language.name);
            }
            // What is read here is also what tree-sitter and its tools would read.
            if let Err(error) = tree_sitter::Query::new(&grammar, language.query) {
                panic!("{}: {error}", language.name);
            }
        }
    }

    #[test]
    fn numbers_in_signed_bytes_never_change() {
        let numbers: Vec<_> = LANGUAGES.iter().map(|language| (language.codec, language.name)).collect();
        let pinned = [
            (2, "rust"),
            (3, "python"),
            (4, "javascript"),
            (5, "typescript"),
            (6, "tsx"),
            (7, "go"),
            (8, "java"),
            (9, "c"),
            (10, "cpp"),
            (11, "csharp"),
            (12, "ruby"),
            (13, "php"),
            (14, "bash"),
            (15, "html"),
            (16, "css"),
            (17, "json"),
            (18, "yaml"),
            (19, "toml"),
            (20, "markdown"),
        ];
        assert_eq!(numbers, pinned);
    }

    #[test]
    fn names_tell_the_language() {
        for (name, codec) in [
            ("a.rs", 2),
            ("A.PY", 3),
            (".rs", 2),
            ("x.d.ts", 5),
            ("Cargo.lock", 19),
            ("xCargo.lock", LINES),
            ("rs", LINES),
            ("", LINES),
            ("a.rs.orig", LINES),
        ] {
            assert_eq!(codec_of(name.as_bytes()), codec, "{name}");
        }
        assert_eq!((joint(2), joint(17), joint(LINES)), ("::", ".", "::"));
        assert_eq!((name_of(2), name_of(LINES)), (Some("rust"), None));
    }
}
