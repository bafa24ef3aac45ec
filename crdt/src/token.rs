//! Where one token ends and the next begins.
//!
//! Tokens are the atoms of a merge: two sides never mix inside one. So a number or a name
//! is one token, and `100→200 ∥ 100→150` can give either number but never a third. The cut
//! looks at bytes and not at characters, because any file must come back exactly, whatever
//! its encoding. Authors and readers must agree on it, so it never changes for the codecs that
//! use it: another cut is another codec.

/// The most bytes in one token that this module makes; longer words are cut.
pub const TOKEN_BYTES: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Space,
    Newline,
    Single,
}

fn class(byte: u8) -> Class {
    match byte {
        b'\n' => Class::Newline,
        b' ' | b'\t' | b'\r' | 0x0b | 0x0c => Class::Space,
        b'_' | 0x80.. => Class::Word,
        byte if byte.is_ascii_alphanumeric() => Class::Word,
        _ => Class::Single,
    }
}

/// Cuts bytes into tokens: words and numbers, runs of blanks, line ends, and all else byte by byte.
///
/// Every byte is in exactly one token. A line end is a token of its own, `\r\n` as well as `\n`.
pub fn tokenize(bytes: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (token, tail) = rest.split_at(token_length(rest));
        tokens.push(token);
        rest = tail;
    }
    tokens
}

fn token_length(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") {
        return 2;
    }
    let first = class(bytes[0]);
    if matches!(first, Class::Newline | Class::Single) {
        return 1;
    }
    let window = &bytes[..bytes.len().min(TOKEN_BYTES)];
    let ends = |at: &usize| class(window[*at]) != first || bytes[*at..].starts_with(b"\r\n");
    match (1..window.len()).find(ends) {
        Some(end) => end,
        None if window.len() < bytes.len() => whole_characters(bytes, window.len()),
        None => window.len(),
    }
}

/// The last border of a UTF-8 character at or before `end`, if there is one nearby.
fn whole_characters(bytes: &[u8], end: usize) -> usize {
    let starts = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (end - 3..=end).rev().find(starts).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<String> {
        tokenize(text.as_bytes()).iter().map(|token| String::from_utf8_lossy(token).into_owned()).collect()
    }

    #[test]
    fn words_numbers_blanks_and_the_rest() {
        assert_eq!(cut("let x_1 = 100;\n"), ["let", " ", "x_1", " ", "=", " ", "100", ";", "\n"]);
        assert_eq!(cut("a  \r\n\n\tb"), ["a", "  ", "\r\n", "\n", "\t", "b"]);
        assert_eq!(cut("größe+é"), ["größe", "+", "é"]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn a_long_word_is_cut_between_characters() {
        let word = "ä".repeat(2000);
        let tokens = cut(&format!("x{word}"));
        assert!(tokens.len() > 1 && tokens.iter().all(|token| !token.contains('\u{fffd}')));
    }

    proptest! {
        #[test]
        fn tokens_are_the_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let tokens = tokenize(&bytes);
            prop_assert!(tokens.iter().all(|token| !token.is_empty() && token.len() <= TOKEN_BYTES));
            prop_assert_eq!(tokens.concat(), bytes);
        }
    }
}
