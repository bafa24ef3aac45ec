//! From a text to the pieces it is cut into.
//!
//! Only the author of a change parses. What comes out travels with the change, so a
//! reader needs no grammar and no version of one. The limits are sizes and depths, never
//! times: two authors who cut the same text must cut it alike.

pub(crate) mod guard;
mod parse;
mod settings;

use tree_sitter::Node;
pub(crate) use tree_sitter::Tree as Parsed;

use crate::languages::{Found, LINES, Language, Mark, Rules, codec_of, language};
use crate::op::{CUTS_MAX, Cut, NodeKind};
pub(crate) use parse::Before;
pub use parse::PARSED_BYTES_MAX;
pub use settings::{Setting, settings};

/// The most bytes of a text; what is larger merges as a whole.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// About how many bytes one piece of text without a name may have.
pub const PIECE_BYTES: usize = 16 << 10;
/// How many items may lie in one another.
const NESTING_MAX: u8 = 16;
/// How many pieces a text has before its deepest items are left whole: each is named in the waypoint that cuts it.
const CUTS_USUAL: usize = 2048;
/// How far into a file a NUL makes it no text.
const SNIFFED_BYTES: usize = 8000;

/// Whether bytes merge as text.
pub fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..SNIFFED_BYTES).unwrap_or(bytes);
    let control = head.iter().filter(|byte| is_control(**byte)).count();
    bytes.len() <= TEXT_BYTES_MAX && !head.contains(&0) && control * 10 <= head.len()
}

/// Bytes that no text in any encoding has many of.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)
}

/// The pieces of a text and the codec that made them: the one that is asked for if the
/// text is within its limits, else lines.
pub fn cut(codec: u16, bytes: &[u8]) -> (u16, Vec<Cut>) {
    let made = read(codec, bytes, None);
    (made.codec, made.cuts)
}

/// A text as it was cut.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The codec that made the pieces.
    pub(crate) codec: u16,
    /// The pieces.
    pub(crate) cuts: Vec<Cut>,
    /// The tree, where a grammar made them.
    pub(crate) tree: Option<Parsed>,
}

impl Made {
    /// Whether there is something in the text that the grammar does not understand.
    pub(crate) fn is_broken(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.root_node().has_error())
    }
}

/// The same as [`cut`], with the tree; faster if the text is mostly one whose tree is known.
pub(crate) fn read(codec: u16, bytes: &[u8], before: Option<Before<'_>>) -> Made {
    match language(codec).and_then(|language| cut_by_grammar(language, bytes, before)) {
        Some((cuts, tree)) => Made { codec, cuts, tree: Some(tree) },
        None => Made { codec: LINES, cuts: cut_by_lines(bytes), tree: None },
    }
}

/// Whether the grammar that a file's name tells reads all of it; `None` where no grammar does. Only for
/// measuring: no merge ever asks.
pub fn parses(name: &[u8], bytes: &[u8]) -> Option<bool> {
    let language = language(codec_of(name))?;
    Some(parse::parse(language, bytes, None).is_some_and(|tree| !tree.root_node().has_error()))
}

/// Pieces that end at line borders.
pub(crate) fn cut_by_lines(bytes: &[u8]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    push_text(&mut cuts, bytes, 0, 0, bytes.len());
    cuts
}

fn cut_by_grammar(
    language: &Language,
    bytes: &[u8],
    before: Option<Before<'_>>,
) -> Option<(Vec<Cut>, Parsed)> {
    let rules = language.rules()?;
    let tree = parse::parse(language, bytes, before)?;
    let mut cutter = Cutter { rules, bytes, cuts: Vec::new() };
    cutter.section(tree.root_node(), 0, 0, bytes.len(), 0);
    let cuts = coarsen(cutter.cuts);
    (cuts.len() <= CUTS_MAX).then_some((cuts, tree))
}

/// Leaves out the deepest items where there are more than a waypoint should name.
fn coarsen(mut cuts: Vec<Cut>) -> Vec<Cut> {
    let mut counts = [0usize; NESTING_MAX as usize + 2];
    for cut in &cuts {
        if let Some(count) = counts.get_mut(usize::from(cut.depth)) {
            *count += 1;
        }
    }
    let sums = counts.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    let kept = sums.take_while(|sum| *sum <= CUTS_USUAL).count().max(1);
    cuts.retain(|cut| usize::from(cut.depth) < kept);
    cuts
}

struct Cutter<'a> {
    rules: &'a Rules,
    bytes: &'a [u8],
    cuts: Vec<Cut>,
}

/// A child of a container, and what the query says about it.
struct Child<'a, 'tree> {
    node: Node<'tree>,
    mark: Option<Mark<'a, 'tree>>,
}

impl Child<'_, '_> {
    /// Whether it belongs to what follows it.
    fn leads(&self) -> bool {
        matches!(self.mark, Some(Mark::Lead))
    }
}

impl<'a> Cutter<'a> {
    /// Cuts `from..end` along the items in `parent`; `seen` is where the first of them may begin.
    fn section(&mut self, parent: Node<'_>, mut from: usize, mut seen: usize, end: usize, depth: u8) {
        let mut children = self.children(parent).into_iter().peekable();
        while let Some(child) = children.next() {
            let child_end = last_byte(child.node).min(end);
            if child_end <= seen || (child.leads() && !self.trails(seen, child.node)) {
                continue;
            }
            let stop = self.stop(child.node, children.peek(), end);
            if let Some(Mark::Item(found)) = child.mark.filter(|_| self.is_line(seen) && self.ends(stop, end))
            {
                let start =
                    if depth == 0 && seen == 0 { self.header_end(child.node.start_byte()) } else { seen };
                push_text(&mut self.cuts, self.bytes, depth, from, start);
                self.item_cuts(child.node, found, (start, stop), depth);
                from = stop;
            }
            seen = stop;
        }
        push_text(&mut self.cuts, self.bytes, depth, from, end);
    }

    /// The children of a node; wrappers, and what no grammar understands, are opened.
    fn children<'tree>(&self, parent: Node<'tree>) -> Vec<Child<'a, 'tree>> {
        let mut children = Vec::new();
        let mut open = self.marked(parent);
        while let Some(child) = open.pop() {
            let opens = child.node.is_error() || matches!(child.mark, Some(Mark::Open));
            match opens && child.node.child_count() > 0 {
                true => open.extend(self.marked(child.node)),
                false => children.push(child),
            }
        }
        children
    }

    /// The children of a node with their marks, the last one first.
    fn marked<'tree>(&self, parent: Node<'tree>) -> Vec<Child<'a, 'tree>> {
        let mut walk = parent.walk();
        let nodes = parent.children(&mut walk);
        let mut children: Vec<_> =
            nodes.map(|node| Child { node, mark: self.rules.mark(node, self.bytes) }).collect();
        children.reverse();
        children
    }

    /// One item, and the items in it if there are any.
    fn item_cuts(&mut self, node: Node<'_>, found: Found<'_, '_>, range: (usize, usize), depth: u8) {
        let (start, end) = range;
        let kind = NodeKind::Item(found.word.to_owned());
        self.cuts.push(Cut { depth, kind, name: found.name, start: start as u32, end: end as u32 });
        let Some(body) = found.body.filter(|_| depth < NESTING_MAX) else { return };
        let before = self.cuts.len();
        let seen = self.head_end(node, body).clamp(start, end);
        self.section(body, start, seen, end, depth + 1);
        let inside = self.cuts.get(before..).unwrap_or_default();
        if !inside.iter().any(|cut| cut.kind != NodeKind::Text) {
            self.cuts.truncate(before);
        }
    }

    /// The end of what stands before the body of an item; comments below it lead into the body.
    fn head_end(&self, node: Node<'_>, body: Node<'_>) -> usize {
        let mut end = node.start_byte();
        let mut cursor = node.walk();
        while cursor.node().id() != body.id() && cursor.goto_first_child() {
            while cursor.node().end_byte() <= body.start_byte() && cursor.node().id() != body.id() {
                let before = cursor.node();
                if !before.is_extra() || self.trails(end, before) {
                    end = self.line_end(before.end_byte(), self.bytes.len());
                }
                if !cursor.goto_next_sibling() {
                    return end;
                }
            }
        }
        end
    }

    /// The end of a thing, with the separator, the comment and the line break behind it.
    fn stop(&self, node: Node<'_>, next: Option<&Child<'_, '_>>, end: usize) -> usize {
        let stop = self.line_end(self.separator_end(last_byte(node).min(end), end), end);
        let next = next.filter(|next| next.leads() && self.trails(stop, next.node));
        next.map_or(stop, |next| self.line_end(next.node.end_byte().min(end), end))
    }

    /// The byte behind a comma or semicolon that follows on the same line, else `at`.
    fn separator_end(&self, at: usize, end: usize) -> usize {
        let rest = self.bytes.get(at..end).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if matches!(rest.get(blank), Some(b',' | b';')) { at + blank + 1 } else { at }
    }

    /// Whether a comment stands on the line on which the thing before it ends.
    fn trails(&self, seen: usize, node: Node<'_>) -> bool {
        let between = self.bytes.get(seen..node.start_byte()).unwrap_or_default();
        !self.is_line(seen) && !between.contains(&b'\n')
    }

    /// Whether a line begins here.
    fn is_line(&self, at: usize) -> bool {
        at.checked_sub(1).is_none_or(|before| self.bytes.get(before) == Some(&b'\n'))
    }

    /// Whether an item may end here.
    fn ends(&self, at: usize, end: usize) -> bool {
        at == end || self.is_line(at)
    }

    /// The end of the line if nothing but blanks stands between, else `at`.
    fn line_end(&self, at: usize, end: usize) -> usize {
        if at > 0 && self.is_line(at) {
            return at;
        }
        let rest = self.bytes.get(at..end).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        match rest.get(blank) {
            Some(b'\n') => at + blank + 1,
            None => end,
            Some(_) => at,
        }
    }

    /// Where the first item of a file begins: after the last blank line before it, so that a licence stays where it is.
    fn header_end(&self, item: usize) -> usize {
        let mut start = 0;
        let mut at = 0;
        for line in self.bytes.get(..item).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let blank = line.ends_with(b"\n") && line.iter().all(u8::is_ascii_whitespace);
            if blank {
                start = at;
            }
        }
        start
    }
}

/// The end of a node without the comments on lines of their own that a grammar puts at its end: they are about
/// what follows.
fn last_byte(node: Node<'_>) -> usize {
    let mut end = node.end_byte();
    let mut cursor = node.walk();
    while cursor.goto_last_child() && cursor.node().end_byte() == end {
        while cursor.node().is_extra() {
            let line = cursor.node().start_position().row;
            if !cursor.goto_previous_sibling() || cursor.node().end_position().row == line {
                return end;
            }
            end = cursor.node().end_byte();
        }
    }
    end
}

/// The outermost cuts, and for each cut those directly in it.
pub(crate) fn cut_tree(cuts: &[Cut]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let (mut tops, mut below) = (Vec::new(), vec![Vec::new(); cuts.len()]);
    let mut above: Vec<usize> = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        above.truncate(cut.depth.into());
        match above.last().and_then(|above| below.get_mut(*above)) {
            Some(children) => children.push(index),
            None => tops.push(index),
        }
        above.push(index);
    }
    (tops, below)
}

/// Text without a name, in pieces of bounded size.
fn push_text(cuts: &mut Vec<Cut>, bytes: &[u8], depth: u8, mut from: usize, end: usize) {
    while from < end {
        let stop = piece_end(bytes, from, end);
        let (start, end) = (from as u32, stop as u32);
        cuts.push(Cut { depth, kind: NodeKind::Text, name: Vec::new(), start, end });
        from = stop;
    }
}

/// The last line border within a piece's size, or the first behind it.
pub(crate) fn piece_end(bytes: &[u8], from: usize, end: usize) -> usize {
    if end - from <= PIECE_BYTES {
        return end;
    }
    let rest = bytes.get(from..end).unwrap_or_default();
    let (head, tail) = rest.split_at(PIECE_BYTES.min(rest.len()));
    let border = |part: &[u8]| part.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    match head.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => from + at + 1,
        None => border(tail).map_or(end, |at| from + PIECE_BYTES + at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LeafId;
    use crate::op::Split;
    use crate::split::Pieces;

    fn outline(codec: u16, text: &str) -> Vec<String> {
        let (codec, cuts) = cut(codec, text.as_bytes());
        let split = Split { leaf: LeafId([0; 32]), codec, cuts: cuts.clone() };
        let pieces = Pieces::of(&split).expect("cuts nest and cover");
        assert_eq!(pieces.end as usize, text.len());
        let show = |cut: &Cut| {
            let word = match &cut.kind {
                NodeKind::Item(word) => format!("{word} {}", String::from_utf8_lossy(&cut.name)),
                _ => "text".to_owned(),
            };
            let text = &text[cut.start as usize..cut.end as usize];
            format!("{}{word} {text:?}", "  ".repeat(cut.depth.into()))
        };
        cuts.iter().map(show).collect()
    }

    #[test]
    fn rust_items_carry_what_leads_them() {
        let text = "//! Doc.\n\nuse a::b;\n\n/// One.\n#[x]\nfn one() {} // end\n\nfn two() {}\n";
        assert_eq!(
            outline(2, text),
            [
                "text \"//! Doc.\\n\\nuse a::b;\\n\"",
                "fn one \"\\n/// One.\\n#[x]\\nfn one() {} // end\\n\"",
                "fn two \"\\nfn two() {}\\n\"",
            ]
        );
    }

    #[test]
    fn members_lie_in_their_container() {
        let text = "impl A for B {\n    fn x() {}\n\n    fn y() {}\n}\n";
        assert_eq!(
            outline(2, text),
            [
                "impl A for B \"impl A for B {\\n    fn x() {}\\n\\n    fn y() {}\\n}\\n\"",
                "  text \"impl A for B {\\n\"",
                "  fn x \"    fn x() {}\\n\"",
                "  fn y \"\\n    fn y() {}\\n\"",
                "  text \"}\\n\"",
            ]
        );
    }

    #[test]
    fn python_classes_and_decorators() {
        let text = "import a\n\nclass A:\n    x = 1\n\n    @dec\n    def f(self):\n        pass\n\n\ndef g():\n    pass\n";
        assert_eq!(
            outline(3, text),
            [
                "text \"import a\\n\"",
                "class A \"\\nclass A:\\n    x = 1\\n\\n    @dec\\n    def f(self):\\n        pass\\n\"",
                "  text \"\\nclass A:\\n    x = 1\\n\"",
                "  def f \"\\n    @dec\\n    def f(self):\\n        pass\\n\"",
                "def g \"\\n\\ndef g():\\n    pass\\n\"",
            ]
        );
    }

    #[test]
    fn a_licence_stays_at_the_top() {
        let cuts = outline(2, "// Licence.\n\n/// Doc.\nfn a() {}\n");
        assert_eq!(cuts, ["text \"// Licence.\\n\\n\"", "fn a \"/// Doc.\\nfn a() {}\\n\""]);
    }

    #[test]
    fn long_texts_are_cut_at_line_borders() {
        let text = "a line of text\n".repeat(4000);
        let (_, cuts) = cut(1, text.as_bytes());
        assert!(cuts.len() > 3);
        assert!(cuts.iter().all(|cut| cut.end - cut.start <= PIECE_BYTES as u32 && cut.end % 15 == 0));
    }

    #[test]
    fn broken_and_deep_sources_are_cut_without_a_crash() {
        for text in ["fn a( {{{ \n fn b() {}\n", "}}}}", "\u{feff}fn a() {}", "impl X {", "\r\nfn a() {}\r\n"]
        {
            outline(2, text);
            outline(3, text);
        }
        let deep = format!("fn a() {{ {}1{} }}\nfn b() {{}}\n", "(".repeat(100_000), ")".repeat(100_000));
        outline(2, &deep);
        let deep = "mod a { ".repeat(3000) + &"}".repeat(3000);
        outline(2, &deep);
        outline(3, &("[".repeat(100_000)));
    }

    #[test]
    fn text_and_no_text() {
        assert!(is_text(b"") && is_text(b"a\r\n\xff\xfe") && is_text("\u{feff}x".as_bytes()));
        assert!(!is_text(b"a\0b") && !is_text(&[1, 2, 3, 4]));
    }
}
