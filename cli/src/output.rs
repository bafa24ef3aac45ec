//! All printing: answers go to stdout, prose and progress to stderr.

use std::fmt::Write as _;
use std::io::{self, Write};

pub(crate) use cairn_node::uri::when::spell as moment;

/// Prints one line. A reader that went away (`cairn log | head`) is no error.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Prints a text that ends its own lines, if it has any.
pub(crate) fn text(text: &str) {
    bytes(text.as_bytes());
}

/// Prints a word beside the answer.
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

/// The first digits of a hash: enough for people.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// A list of hashes, short.
pub(crate) fn shorts(hashes: &[String]) -> String {
    hashes.iter().map(|hash| short(hash)).collect::<Vec<_>>().join(" ")
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if bytes < 1024 { format!("{bytes} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Puts each line of `text` behind `prefix`.
pub(crate) fn indented(text: &str, prefix: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{prefix}{line}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!((size(1023).as_str(), size(64 << 20).as_str()), ("1023 bytes", "64.0 MiB"));
        assert_eq!((count(1, "file").as_str(), count(0, "file").as_str()), ("1 file", "0 files"));
    }
}
