//! Text inside records: UTF-8 of bounded length, without control characters where people read it in one line.

use cairn_crdt::encoding::{Decode, Problem, Reader};

/// Text of at most `limit` bytes.
pub(crate) fn read_text(input: &mut Reader<'_>, limit: usize) -> Decode<String> {
    let at = input.clone();
    let bytes = input.bytes(limit)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| at.error(Problem::Invalid("text")))
}

/// A name: one line that is not empty.
pub(crate) fn read_label(input: &mut Reader<'_>, limit: usize) -> Decode<String> {
    let at = input.clone();
    let text = read_text(input, limit)?;
    at.require(is_label(&text, limit), "name")?;
    Ok(text)
}

/// Whether `text` can be a name.
pub fn is_label(text: &str, limit: usize) -> bool {
    !text.is_empty() && text.len() <= limit && !text.chars().any(char::is_control)
}

/// A byte that is 0 or 1.
pub(crate) fn read_flag(input: &mut Reader<'_>) -> Decode<bool> {
    let at = input.clone();
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(at.error(Problem::Invalid("flag"))),
    }
}
