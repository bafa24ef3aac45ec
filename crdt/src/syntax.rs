//! From a text to the pieces it is cut into.
//!
//! Only the author of a change parses. What comes out travels with the change, so a
//! reader needs no grammar and no version of one. The limits are sizes and depths, never
//! times: two authors who cut the same text must cut it alike.

use tree_sitter::{Node, Parser};

use crate::languages::{Item, LINES, Language, language};
use crate::op::{CUTS_MAX, Cut, NodeKind};
use crate::path::NAME_BYTES_MAX;

/// The most bytes of a text; what is larger merges as a whole.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// The most bytes that are parsed; what is larger is cut at line borders.
pub const PARSED_BYTES_MAX: usize = 1 << 20;
/// About how many bytes one piece of text without a name may have.
pub const PIECE_BYTES: usize = 16 << 10;
/// How many brackets may be open at once in what is parsed.
const BRACKETS_MAX: usize = 1000;
/// How many items may lie in one another.
const NESTING_MAX: u8 = 16;
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
pub(crate) fn cut(codec: u16, bytes: &[u8]) -> (u16, Vec<Cut>) {
    match language(codec).and_then(|language| cut_by_grammar(language, bytes)) {
        Some(cuts) => (codec, cuts),
        None => (LINES, cut_by_lines(bytes)),
    }
}

/// Pieces that end at line borders.
pub(crate) fn cut_by_lines(bytes: &[u8]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    push_text(&mut cuts, bytes, 0, 0, bytes.len());
    cuts
}

fn cut_by_grammar(language: &Language, bytes: &[u8]) -> Option<Vec<Cut>> {
    if bytes.len() > PARSED_BYTES_MAX || nests_too_deep(bytes) {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&(language.grammar)()).ok()?;
    let tree = parser.parse(bytes, None)?;
    let mut cutter = Cutter { language, bytes, cuts: Vec::new() };
    cutter.section(tree.root_node(), 0, 0, bytes.len(), 0);
    (cutter.cuts.len() <= CUTS_MAX).then_some(cutter.cuts)
}

/// Whether more brackets are open at once than any grammar should be asked to follow.
fn nests_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0usize;
    bytes.iter().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > BRACKETS_MAX
    })
}

struct Cutter<'a> {
    language: &'a Language,
    bytes: &'a [u8],
    cuts: Vec<Cut>,
}

/// An item of the grammar: its rule, the node that has the fields, its name.
type Found<'a, 'tree> = (&'a Item, Node<'tree>, Vec<u8>);

impl<'a> Cutter<'a> {
    /// Cuts `from..end` along the items among the children of `parent`; `seen` is where the first of them may begin.
    fn section(&mut self, parent: Node<'_>, mut from: usize, mut seen: usize, end: usize, depth: u8) {
        let mut cursor = parent.walk();
        let children: Vec<_> = parent.children(&mut cursor).collect();
        for (index, child) in children.iter().enumerate() {
            let (child, next) = (*child, children.get(index + 1).copied());
            let child_end = child.end_byte().min(end);
            if child_end <= seen || (self.is_leading(child) && !self.trails(seen, child)) {
                continue;
            }
            let stop = self.stop(child, next, end);
            if let Some((rule, node, name)) = self.item(child) {
                let start = if depth == 0 && seen == 0 { self.header_end(child.start_byte()) } else { seen };
                push_text(&mut self.cuts, self.bytes, depth, from, start);
                self.item_cuts(rule, node, name, (start, stop), depth);
                from = stop;
            }
            seen = stop;
        }
        push_text(&mut self.cuts, self.bytes, depth, from, end);
    }

    /// One item, and the items in it if there are any.
    fn item_cuts(&mut self, rule: &Item, node: Node<'_>, name: Vec<u8>, range: (usize, usize), depth: u8) {
        let (start, end) = range;
        let kind = NodeKind::Item(rule.word.to_owned());
        self.cuts.push(Cut { depth, kind, name, start: start as u32, end: end as u32 });
        let body = rule.body.and_then(|field| node.child_by_field_name(field));
        let Some(body) = body.filter(|_| depth < NESTING_MAX) else { return };
        let before = self.cuts.len();
        let mut cursor = node.walk();
        let heads = node.children(&mut cursor).take_while(|child| child.start_byte() < body.start_byte());
        let head = heads.last().map_or(start, |head| head.end_byte());
        let seen = self.line_end(head.clamp(start, end), end);
        self.section(body, start, seen, end, depth + 1);
        let inside = self.cuts.get(before..).unwrap_or_default();
        if !inside.iter().any(|cut| cut.kind != NodeKind::Text) {
            self.cuts.truncate(before);
        }
    }

    fn item<'tree>(&self, node: Node<'tree>) -> Option<Found<'a, 'tree>> {
        let node = node.child_by_field_name("definition").unwrap_or(node);
        let rule = self.language.items.iter().find(|item| item.kind == node.kind())?;
        let fields = rule.name.iter().filter_map(|field| node.child_by_field_name(field));
        let parts: Vec<_> = fields.filter_map(|field| self.bytes.get(field.byte_range())).collect();
        let mut name = parts.join(&b" for "[..]);
        name.truncate(NAME_BYTES_MAX);
        (!name.is_empty()).then_some((rule, node, name))
    }

    /// Whether a node belongs to what follows it.
    fn is_leading(&self, node: Node<'_>) -> bool {
        let text = self.bytes.get(node.byte_range()).unwrap_or_default();
        let inner = self.language.inner.iter().any(|inner| text.starts_with(inner.as_bytes()));
        self.language.leading.contains(&node.kind()) && !inner
    }

    /// The end of a thing, with the comment and the line break behind it.
    fn stop(&self, node: Node<'_>, next: Option<Node<'_>>, end: usize) -> usize {
        let stop = self.line_end(node.end_byte().min(end), end);
        let next = next.filter(|next| self.is_leading(*next) && self.trails(stop, *next));
        next.map_or(stop, |next| self.line_end(next.end_byte().min(end), end))
    }

    /// Whether a comment stands on the line on which the thing before it ends.
    fn trails(&self, seen: usize, node: Node<'_>) -> bool {
        let between = self.bytes.get(seen..node.start_byte()).unwrap_or_default();
        let line_start = seen == 0 || self.bytes.get(seen - 1) == Some(&b'\n');
        !line_start && !between.contains(&b'\n')
    }

    /// The end of the line if nothing but blanks stands between, else `at`.
    fn line_end(&self, at: usize, end: usize) -> usize {
        if at > 0 && self.bytes.get(at - 1) == Some(&b'\n') {
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
