//! What no grammar should be asked about, told by one look at the bytes.
//!
//! A grammar's own scanner keeps its state in a buffer of a kilobyte, and some overrun it, or
//! stop the whole process, where a text nests too deep or a word is too long. Others take the square of the
//! depth. The limits here lie well below what makes them fail, and far above what people write.

/// How many brackets may be open at once.
const BRACKETS_MAX: usize = 1000;
/// How many levels of indentation may lie in one another.
const INDENTS_MAX: usize = 200;
/// How many elements may be open at once.
const ELEMENTS_MAX: usize = 200;
/// How many bytes the words of all here-documents of a text may have, and the brackets around them, five for each.
const HEREDOC_BYTES_MAX: usize = 1000;
/// How long the word of one here-document may be.
const HEREDOC_WORD_MAX: usize = 200;

/// Whether a text is beyond any grammar.
pub(super) fn is_beyond(bytes: &[u8]) -> bool {
    brackets(bytes) > BRACKETS_MAX || indents_too_deep(bytes)
}

/// How many brackets are open at most.
fn brackets(bytes: &[u8]) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for byte in bytes {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                most = most.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Whether less than a third of a text is words and blanks: error recovery takes for ever with such texts.
pub(crate) fn is_mostly_signs(bytes: &[u8]) -> bool {
    let words = bytes
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || !byte.is_ascii());
    words.count() * 3 < bytes.len()
}

/// Whether lines are indented under one another too often; marks of lists and quotes indent what follows them.
fn indents_too_deep(bytes: &[u8]) -> bool {
    let mut columns: Vec<usize> = Vec::new();
    let mut push = |column: usize| {
        columns.truncate(columns.partition_point(|other| *other < column));
        columns.push(column);
        columns.len() > INDENTS_MAX
    };
    bytes.split(|byte| *byte == b'\n').any(|line| {
        let first = line.iter().position(|byte| !is_blank(*byte));
        // A mark is a sign with a blank behind it, or the end of the line; most lines have none.
        let mut marks =
            line.iter().enumerate().filter(|(_, byte)| ends_list_mark(**byte)).filter_map(|(at, _)| {
                let start =
                    line.get(..at)?.iter().rposition(|byte| is_blank(*byte)).map_or(0, |blank| blank + 1);
                let ends = line.get(at + 1).is_none_or(|next| is_blank(*next));
                (ends && Some(start) > first && is_list_mark(line.get(start..=at)?)).then_some(start)
            });
        first.is_some_and(&mut push) | marks.any(&mut push)
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn ends_list_mark(byte: u8) -> bool {
    matches!(byte, b'-' | b'?' | b':' | b'>' | b'*' | b'+' | b'.' | b')')
}

fn is_list_mark(word: &[u8]) -> bool {
    match word {
        [b'-' | b'?' | b':' | b'>' | b'*' | b'+'] => true,
        [number @ .., b'.' | b')'] => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether elements are open in one another too often. Those that need no end are not counted: the next one closes them.
pub(crate) fn elements_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0usize;
    bytes.split(|byte| *byte == b'<').skip(1).any(|tag| {
        let ends = tag.iter().position(|byte| *byte == b'>');
        let closed = ends.and_then(|end| end.checked_sub(1)).and_then(|last| tag.get(last)) == Some(&b'/');
        match tag {
            [b'/', ..] => depth = depth.saturating_sub(1),
            [first, ..] if first.is_ascii_alphabetic() && !closed && !ends_itself(tag) => depth += 1,
            _ => {}
        }
        depth > ELEMENTS_MAX
    })
}

/// Elements without an end, or whose end may be left out.
fn ends_itself(tag: &[u8]) -> bool {
    let name: Vec<_> =
        tag.iter().take_while(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let known: [&[u8]; 24] = [
        b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source",
        b"track", b"wbr", b"p", b"li", b"dt", b"dd", b"td", b"th", b"tr", b"option", b"thead", b"tbody",
        b"param",
    ];
    known.contains(&&name[..])
}

/// Whether the here-documents of a Ruby text say more than its scanner can keep.
pub(crate) fn heredocs_too_long(bytes: &[u8]) -> bool {
    let mut kept = brackets(bytes) * 5;
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"<<") {
        rest = rest.get(at + 2..).unwrap_or_default();
        let marks = rest.iter().take_while(|byte| matches!(byte, b'~' | b'-')).count();
        let length = heredoc_word(rest.get(marks..).unwrap_or_default());
        if length > HEREDOC_WORD_MAX {
            return true;
        }
        kept += if length > 0 { length + 4 } else { 0 };
    }
    kept > HEREDOC_BYTES_MAX || is_mostly_signs(bytes)
}

/// The bytes of the word that names a here-document; none if a blank follows the arrows.
fn heredoc_word(text: &[u8]) -> usize {
    match text.first() {
        Some(quote @ (b'"' | b'\'' | b'`')) => text.iter().skip(1).take_while(|byte| *byte != quote).count(),
        _ => text
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii())
            .count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_not_beyond() {
        for text in [
            "",
            "a",
            "fn a() { b(c[1]) }\n",
            "- a\n- b\n  - c\n",
            "| a | b |\n|---|---|\n",
            "x = [[1, 2], [3, 4]]\n",
        ] {
            assert!(!is_beyond(text.as_bytes()) && !is_mostly_signs(text.as_bytes()), "{text}");
        }
        assert!(!elements_too_deep("<p>a<br><li>b".repeat(1000).as_bytes()));
        assert!(!heredocs_too_long("a <<~SQL\n  b\nSQL\n".repeat(50).as_bytes()));
    }

    #[test]
    fn what_breaks_scanners_is_beyond() {
        assert!(
            is_beyond("(".repeat(2000).as_bytes())
                && is_beyond(&b"- ".repeat(300))
                && is_mostly_signs(&b"|-".repeat(9))
        );
        assert!(elements_too_deep("<div>".repeat(1000).as_bytes()));
        assert!(heredocs_too_long(format!("a <<{}\n", "A".repeat(300)).as_bytes()));
        assert!(heredocs_too_long(format!("a <<\"{}\n", "A b".repeat(300)).as_bytes()));
        assert!(heredocs_too_long("a(<<AAAAAAAA)\n#{".repeat(90).as_bytes()));
    }
}
