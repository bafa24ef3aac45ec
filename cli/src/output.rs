//! All printing: answers go to stdout, prose and progress to stderr.

use std::fmt::Write as _;
use std::io::{self, Write};

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

/// A moment, given in milliseconds since 1970, as `2026-11-20 15:50:07Z`.
pub(crate) fn moment(wall_ms: u64) -> String {
    let seconds = wall_ms / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The civil date of a day counted from 1970-01-01: whole eras of 400 years, March first, so
/// that the leap day ends a year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
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
    fn moments_are_civil() {
        assert_eq!(moment(0), "1970-01-01 00:00:00Z");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(moment(1_795_274_467_000), "2026-11-21 15:21:07Z");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!((size(1023).as_str(), size(64 << 20).as_str()), ("1023 bytes", "64.0 MiB"));
        assert_eq!((count(1, "file").as_str(), count(0, "file").as_str()), ("1 file", "0 files"));
    }
}
