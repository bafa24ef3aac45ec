//! What an edited text had, and what it is to have.

use std::ops::Range;

use super::{Items, TextEdit};
use crate::draft::sheet::Sheet;
use crate::error::CrdtError;
use crate::id::LeafId;
use crate::languages::LINES;
use crate::op::Op;
use crate::syntax::{Before, cut, read};
use crate::view::outline::Outline;

impl Items<'_, '_> {
    /// The pieces that an edited text had; it is cut first if nobody has.
    pub(super) fn outline(&mut self, edit: &TextEdit) -> Result<Outline, CrdtError> {
        if self.desk.is_untouched(&edit.leaf) {
            let split = self.desk.split(edit.leaf, edit.codec)?;
            self.desk.put(Op::Split(split))?;
        }
        self.desk.outline(edit.node, edit.leaf)
    }

    /// Reads an edited text; says whether it has items to match.
    pub(super) fn sheet(
        &mut self,
        edit: TextEdit,
        outline: Outline,
        changed: &[(Range<usize>, Range<usize>)],
        pairs: Vec<(usize, usize)>,
    ) -> Result<(Sheet, bool), CrdtError> {
        let codec = self.codec(edit.leaf)?;
        let tree = self.desk.tree(edit.leaf, codec, &outline.bytes);
        let before = tree.clone().map(|tree| Before { tree, text: &outline.bytes, changed });
        let made = self.desk.read(codec, &edit.new, before);
        // Nobody asks what the old text was where the new one is whole.
        let tree =
            if made.is_broken() { tree.or_else(|| read(codec, &outline.bytes, None).tree) } else { tree };
        let broke = made.is_broken() && !tree.as_ref().is_some_and(|tree| tree.root_node().has_error());
        self.desk.know(edit.leaf, made.codec, edit.new.clone(), made.tree);
        let mut sheet = Sheet { codec, broke, pairs, tree, ..Sheet::of(edit) };
        sheet.haves = Sheet::haves(&outline);
        sheet.old = outline.bytes;
        sheet.read_wants(made.cuts);
        Ok((sheet, made.codec != LINES))
    }

    /// Reads a text that is new as a whole.
    pub(super) fn fresh_sheet(&mut self, edit: TextEdit) -> Sheet {
        let (_, cuts) = cut(edit.codec, &edit.new);
        let mut sheet = Sheet::of(edit);
        sheet.read_wants(cuts);
        sheet
    }

    /// The codec by which a leaf was cut.
    pub(super) fn codec(&self, leaf: LeafId) -> Result<u16, CrdtError> {
        let length = self.desk.genesis(leaf)?.len() as u64;
        let log = self.desk.state.leaves.get(&leaf);
        Ok(log.and_then(|log| log.split(length)).map_or(LINES, |pieces| pieces.codec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::align::Alignment;
    use crate::languages::codec_of;
    use proptest::prelude::*;

    /// Files by their items; each text is whole, whichever of them stand in it.
    const FILES: [(&str, &[&str]); 6] = [
        (
            "a.rs",
            &[
                "/// One.\nfn one() {\n    1\n}\n\n",
                "impl A {\n    fn two(&self) -> u8 { 2 }\n\n    // Between.\n    fn three() {}\n}\n",
                "use a::b;\n",
                "#[x]\nstruct B<'a>(&'a str, char);\n",
                "const C: &str = r#\"fn no() {\n\"#;\n",
            ],
        ),
        (
            "a.py",
            &[
                "import a\n\n",
                "class A:\n    x = 1\n\n    @b\n    def c(self):\n        pass\n\n",
                "def d():\n    \"\"\"Text.\n\n    More.\n    \"\"\"\n    return [\n        1,\n    ]\n\n",
                "if e:\n    d()\nelse:\n    f = \"g\"\n",
            ],
        ),
        (
            "a.js",
            &[
                "const a = `b\n${c}\n`;\n",
                "class D {\n  e() { return /f/.test(`g`); }\n\n  h = 1;\n}\n",
                "function i(j) {\n  // k\n  return j ? 1 : 2;\n}\n",
                "export default { l: 1, m() {} };\n",
            ],
        ),
        (
            "a.c",
            &[
                "#include <a.h>\n",
                "#ifdef B\nint c(void);\n#endif\n",
                "static int d(int e) {\n\treturn e * 2;\n}\n",
            ],
        ),
        ("a.yaml", &["a:\n  b: 1\n  c:\n    - d\n    - e\n", "f: |\n  text\n  more\n", "# g\nh: {i: j}\n"]),
        (
            "a.md",
            &[
                "# A\n\nText.\n\n",
                "## B\n\n- c\n- d\n\n  e\n\n",
                "```rust\nfn f() {}\n```\n\n",
                "| a | b |\n|---|---|\n| c | d |\n\n",
            ],
        ),
    ];

    proptest! {
        #[test]
        fn what_is_read_again_is_cut_as_if_it_were_new(
            file in 0..FILES.len(),
            old in proptest::collection::vec(0usize..5, 0..8),
            new in proptest::collection::vec(0usize..5, 0..8),
        ) {
            let (name, items) = FILES[file];
            let text = |list: &[usize]| list.iter().map(|item| items[item % items.len()]).collect::<String>();
            let (old, new, codec) = (text(&old), text(&new), codec_of(name.as_bytes()));
            let (old, new) = (old.as_bytes(), new.as_bytes());
            let changed = Alignment::of(old, new).changed();
            let tree = read(codec, old, None).tree;
            let before = tree.map(|tree| Before { tree, text: old, changed: &changed });
            let made = read(codec, new, before);
            prop_assert_eq!((made.codec, made.cuts), cut(codec, new));
        }
    }
}
