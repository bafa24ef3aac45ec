//! Bytes that a URI cannot hold as they are, as `%` and two digits.

use cairn_crdt::path::RepoPath;

use super::UriError;

/// Writes bytes for a URI: letters, digits and what reads well stays, the rest is escaped.
pub fn encode(bytes: &[u8]) -> String {
    escape(bytes, |byte| !(byte.is_ascii_alphanumeric() || b"-._~/:+!".contains(&byte)))
}

/// A path as people and `--json` see it: UTF-8 as it is, other bytes escaped.
pub fn path_text(path: &RepoPath) -> String {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => path
            .as_bytes()
            .utf8_chunks()
            .fold(String::new(), |text, chunk| text + chunk.valid() + &escape(chunk.invalid(), |_| true)),
    }
}

fn escape(bytes: &[u8], escaped: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if escaped(byte) {
            text.push_str(&format!("%{byte:02X}"));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

/// Reads escapes; a `%` that begins none stands for itself.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                bytes.push(digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Reads escapes into text.
pub(super) fn text(text: &str) -> Result<String, UriError> {
    String::from_utf8(bytes(text)).map_err(|_| UriError::Part { part: "a name", found: text.to_owned() })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
