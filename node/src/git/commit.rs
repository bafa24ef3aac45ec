//! Commits and tags as git writes them.
//!
//! The bytes are kept as they are; what is read here is what cairn shows and follows. Old tools wrote odd authors and
//! times, so what is no name or no time is told as far as it can be, and never a reason to refuse a history.

use cairn_protocol::entry::Profile;
use cairn_protocol::limits::{MESSAGE_BYTES_MAX, PROFILE_BYTES_MAX};

use super::{Oid, Problem};

/// Who wrote something, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Name and mail, as far as they are text.
    pub(crate) name: String,
    pub(crate) mail: String,
    /// Seconds since 1970.
    pub(crate) written_s: i64,
    /// How far the author's clock was ahead of UTC.
    pub(crate) offset_minutes: i16,
}

/// A commit, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: Oid,
    pub(crate) parents: Vec<Oid>,
    pub(crate) author: Signature,
    /// As far as it is text, and no longer than a waypoint's may be.
    pub(crate) message: String,
    /// The waypoints that an export says it came from, as hex digits.
    pub(crate) waypoints: Vec<String>,
}

/// A tag with a message, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) target: Oid,
    pub(crate) tagger: Signature,
    pub(crate) message: String,
}

/// The header by which an export says from which waypoint a commit came.
pub(crate) const WAYPOINT_HEADER: &str = "cairn-waypoint";

impl Signature {
    /// As waypoints carry it.
    pub(crate) fn profile(&self) -> Profile {
        Profile { name: self.name.clone(), mail: self.mail.clone() }
    }

    fn read(line: &[u8]) -> Self {
        let text =
            |bytes: &[u8]| cut(String::from_utf8_lossy(bytes.trim_ascii()).into_owned(), PROFILE_BYTES_MAX);
        let open = line.iter().position(|byte| *byte == b'<');
        let close = line.iter().rposition(|byte| *byte == b'>');
        let (Some(open), Some(close)) = (open, close) else {
            return Self { name: text(line), ..Self::default() };
        };
        let mail = line.get(open + 1..close).unwrap_or_default();
        let when = String::from_utf8_lossy(line.get(close + 1..).unwrap_or_default()).into_owned();
        let mut when = when.split_whitespace();
        let written_s = when.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        let offset_minutes = when.next().and_then(minutes).unwrap_or_default();
        Self { name: text(line.get(..open).unwrap_or_default()), mail: text(mail), written_s, offset_minutes }
    }
}

/// The minutes of `+0130`.
fn minutes(zone: &str) -> Option<i16> {
    let digits: i16 = zone.trim_start_matches(['+', '-']).parse().ok()?;
    let minutes = (digits / 100).checked_mul(60)?.checked_add(digits % 100)?;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

impl Commit {
    pub(crate) fn read(id: Oid, bytes: &[u8]) -> Result<Self, Problem> {
        let (header, message) = parts(bytes);
        let bad = |why: &str| Problem::Damaged { id: id.to_string(), why: why.to_owned() };
        let mut tree = None;
        let (mut parents, mut author, mut waypoints) = (Vec::new(), None, Vec::new());
        for line in header.split(|byte| *byte == b'\n') {
            let (word, rest) = word(line);
            match word {
                b"tree" if tree.is_none() => {
                    tree = Some(oid(id, rest).ok_or_else(|| bad("a commit names no tree"))?);
                }
                b"parent" => parents.push(oid(id, rest).ok_or_else(|| bad("a commit names a bad parent"))?),
                b"author" if author.is_none() => author = Some(Signature::read(rest)),
                word if word == WAYPOINT_HEADER.as_bytes() => {
                    waypoints.push(String::from_utf8_lossy(rest).into_owned());
                }
                _ => {}
            }
        }
        let tree = tree.ok_or_else(|| bad("a commit without a tree"))?;
        Ok(Self { tree, parents, author: author.unwrap_or_default(), message: words(message), waypoints })
    }
}

impl Tag {
    pub(crate) fn read(id: Oid, bytes: &[u8]) -> Result<Self, Problem> {
        let (header, message) = parts(bytes);
        let (mut target, mut tagger) = (None, Signature::default());
        for line in header.split(|byte| *byte == b'\n') {
            match word(line) {
                (b"object", rest) if target.is_none() => target = oid(id, rest),
                (b"tagger", rest) => tagger = Signature::read(rest),
                _ => {}
            }
        }
        let why = "a tag names no object".to_owned();
        let target = target.ok_or_else(|| Problem::Damaged { id: id.to_string(), why })?;
        Ok(Self { target, tagger, message: words(message) })
    }
}

/// The header and the message.
fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 2..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

/// The first word of a line, and the rest.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
        None => (line, &[]),
    }
}

/// The name in hex digits, of the same length as `like`.
fn oid(like: Oid, digits: &[u8]) -> Option<Oid> {
    Oid::from_hex(digits).ok().filter(|id| id.kind() == like.kind())
}

/// A message as waypoints carry it.
fn words(message: &[u8]) -> String {
    cut(String::from_utf8_lossy(message.trim_ascii_end()).into_owned(), MESSAGE_BYTES_MAX)
}

/// At most so many bytes of a text.
fn cut(mut text: String, limit: usize) -> String {
    let end = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Oid {
        Oid::from_bytes_or_panic(&[1; 20])
    }

    #[test]
    fn a_commit_is_read() {
        let hex = "01".repeat(20);
        let bytes = format!(
            "tree {hex}\nparent {hex}\nparent {hex}\nauthor A B <a@b> -5 -0130\ncommitter C <c> 1 +0000\ngpgsig x\n tree y\n\nwhy\n\nmore\n"
        );
        let commit = Commit::read(id(), bytes.as_bytes()).unwrap();
        assert_eq!((commit.tree, commit.parents.len()), (id(), 2));
        let author = Signature { name: "A B".into(), mail: "a@b".into(), written_s: -5, offset_minutes: -90 };
        assert_eq!(commit.author, author);
        assert_eq!(commit.message, "why\n\nmore");
    }

    #[test]
    fn an_odd_author_is_no_reason_to_refuse() {
        for line in
            ["", "nobody", "a <b", "a > < b", "a <b> soon later", "\u{fffd} <> 99999999999999999999 +9999999"]
        {
            let bytes = format!("tree {}\nauthor {line}\n\n", "01".repeat(20));
            assert!(Commit::read(id(), bytes.as_bytes()).is_ok(), "{line}");
        }
        assert_eq!(minutes("+0545"), Some(345));
    }

    #[test]
    fn a_commit_without_a_sound_tree_is_damaged() {
        for bytes in
            ["", "\n\n", "tree 12\n\n", "tree zz\n\n", &format!("tree {}\nparent 1\n\n", "01".repeat(20))]
        {
            assert!(matches!(Commit::read(id(), bytes.as_bytes()), Err(Problem::Damaged { .. })), "{bytes}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("aéé".to_owned(), 4), "aé");
    }
}
