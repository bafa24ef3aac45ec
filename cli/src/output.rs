//! All printing: answers go to stdout, prose and progress to stderr.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Whether a person reads what stands beside answers.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
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

/// Where what was unposted went, and what stood in the way of a checkout.
pub(crate) fn kept_note(saved: Option<&String>, kept: &[String]) -> String {
    let all = saved.into_iter().filter(|saved| !kept.contains(saved)).chain(kept);
    all.map(|kept| format!("what was unposted is kept in {}\n", short(kept))).collect()
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

/// How an answer looks: on a terminal coloured, unless `NO_COLOR` is set, and with times as people say them. What goes
/// to a file or a program is plain and exact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    coloured: bool,
    now_ms: Option<u64>,
}

/// A colour of the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// For what one looks for first.
    Bold,
    /// For what one rarely looks for.
    Dim,
    /// What went, or is wrong.
    Red,
    /// What came, or is well.
    Green,
    /// What has changed; names of waypoints.
    Yellow,
}

impl Look {
    /// The look of stdout; `relative` asks for times as people say them wherever it goes.
    pub(crate) fn of_stdout(relative: bool) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let now_ms = now_ms.and_then(|now| u64::try_from(now.as_millis()).ok());
        Self {
            coloured: is_terminal && !is_dumb && !is_set("NO_COLOR"),
            now_ms: now_ms.filter(|_| relative || is_terminal),
        }
    }

    /// A text in a colour.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        if self.coloured && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A moment, in milliseconds since 1970.
    pub(crate) fn moment(&self, wall_ms: u64) -> String {
        self.now_ms.map_or_else(|| moment(wall_ms), |now_ms| ago(wall_ms, now_ms))
    }
}

/// How long ago something was.
fn ago(wall_ms: u64, now_ms: u64) -> String {
    let minutes = now_ms.abs_diff(wall_ms) / 60_000;
    let (number, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..2_880 => (minutes / 60, "hour"),
        2_880..86_400 => (minutes / 1_440, "day"),
        86_400..1_051_200 => (minutes / 43_800, "month"),
        _ => (minutes / 525_600, "year"),
    };
    let span = count(number, unit);
    if wall_ms > now_ms { format!("in {span}") } else { format!("{span} ago") }
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
    fn times_are_told_as_people_say_them() {
        let now = 1_795_274_467_000;
        let told = |minutes: u64| ago(now - minutes * 60_000, now);
        assert_eq!([told(0), told(1), told(59)], ["just now", "1 minute ago", "59 minutes ago"]);
        assert_eq!([told(60), told(2_879), told(2_880)], ["1 hour ago", "47 hours ago", "2 days ago"]);
        assert_eq!([told(86_400), told(1_051_200)], ["1 month ago", "2 years ago"]);
        assert_eq!(ago(now + 3 * 60_000, now), "in 3 minutes");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!((size(1023).as_str(), size(64 << 20).as_str()), ("1023 bytes", "64.0 MiB"));
        assert_eq!((count(1, "file").as_str(), count(0, "file").as_str()), ("1 file", "0 files"));
    }
}
