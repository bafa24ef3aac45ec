//! The one way to name a place: `[cairn:][//repo][/@owner/project][/path][?ref…][#query]`.
//!
//! Any prefix may be left out; the worktree supplies it. The parser is bounded and knows
//! nothing about what exists: whether a ref is a branch, a mark or a hash is asked of the
//! repo later, and what can mean two things is never guessed.

use std::fmt;

use cairn_crdt::path::{PathError, RepoPath};

use crate::error::NodeError;

mod percent;
pub mod when;

pub use percent::{bytes as percent_decode, encode as percent_encode, path_text};

/// The most bytes of a URI: an invitation with many hints and a long path still fits.
pub const URI_BYTES_MAX: usize = 16 * 1024;
/// The most refs that blend in one URI.
pub const REFS_MAX: usize = 64;
/// The most bytes of a repo's, a project's or a branch's name.
pub const NAME_BYTES_MAX: usize = 255;

/// Why a URI is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// More than allowed.
    #[error("it is longer than {URI_BYTES_MAX} bytes or blends more than {REFS_MAX} refs")]
    TooLong,
    /// A scheme that cairn does not speak.
    #[error("the scheme {0:?} is not spoken here; cairn links begin with `cairn:`")]
    Scheme(String),
    /// A part that must not be empty, or holds what it must not.
    #[error("{part} is not well formed: {found:?}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        found: String,
    },
    /// The path would leave the project, or is none.
    #[error("the path {path:?}: {error}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        error: PathError,
    },
}

impl From<UriError> for NodeError {
    fn from(error: UriError) -> Self {
        match error {
            UriError::Path { .. } => NodeError::Refused(error.to_string()),
            error => NodeError::Usage(error.to_string()),
        }
    }
}

/// A parsed URI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// A repo's alias or its full id.
    pub repo: Option<String>,
    /// A project, `@owner/name`.
    pub project: Option<String>,
    /// A path in the project.
    pub path: Option<RepoPath>,
    /// What to look at; several blend.
    pub refs: Vec<Ref>,
    /// A question about structure.
    pub query: Option<String>,
    /// Peer hints of a link, as multiaddresses.
    pub peers: Vec<String>,
    /// What an invitation carries, in hexadecimal digits.
    pub invite: Option<String>,
}

/// One thing that may stand for a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// A branch, a mark, a hash prefix, or `head`.
    pub name: String,
    /// What narrows it: a time or changelog words.
    pub at: Option<String>,
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "?{},{at}", self.name),
            None => write!(f, "?{}", self.name),
        }
    }
}

impl Uri {
    /// Reads one URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong);
        }
        let text = strip_scheme(text)?;
        let (text, query) = cut(text, '#');
        let (place, refs) = cut(text, '?');
        let mut uri = Self { query: query.map(str::to_owned), ..Self::default() };
        uri.read_place(place)?;
        uri.read_refs(refs)?;
        Ok(uri)
    }

    /// Whether it names nothing but refs.
    pub fn is_only_refs(&self) -> bool {
        !self.refs.is_empty() && self.path.is_none() && self.repo.is_none() && self.project.is_none()
    }

    /// Whether it names nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn read_place(&mut self, place: &str) -> Result<(), UriError> {
        let mut rest = place;
        if let Some(after) = place.strip_prefix("//") {
            let (repo, tail) = split_at_slash(after);
            self.repo = Some(plain_name("the repo", repo)?);
            rest = tail;
        }
        let trimmed = rest.trim_start_matches('/');
        if let Some(after) = trimmed.strip_prefix('@') {
            rest = self.read_project(after)?;
        }
        self.path = path(rest.trim_matches('/'))?;
        Ok(())
    }

    fn read_project<'a>(&mut self, text: &'a str) -> Result<&'a str, UriError> {
        let (owner, tail) = split_at_slash(text);
        let (project, rest) = split_at_slash(tail.trim_start_matches('/'));
        let owner = plain_name("the project's owner", owner)?;
        let project = plain_name("the project's name", project)?;
        self.project = Some(format!("@{owner}/{project}"));
        Ok(rest)
    }

    fn read_refs(&mut self, refs: Option<&str>) -> Result<(), UriError> {
        let Some(refs) = refs else { return Ok(()) };
        for part in refs.split(['?', '&']) {
            let part = part.trim();
            if let Some(peer) = part.strip_prefix("peer=") {
                self.peers.push(percent::text(peer)?);
            } else if let Some(invite) = part.strip_prefix("invite=") {
                self.invite = Some(percent::text(invite)?);
            } else {
                self.refs.push(reference(part)?);
            }
            if self.refs.len() > REFS_MAX || self.peers.len() > REFS_MAX {
                return Err(UriError::TooLong);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(repo) = &self.repo {
            write!(f, "cairn://{}", percent_encode(repo.as_bytes()))?;
        }
        if let Some((owner, project)) =
            self.project.as_deref().and_then(|p| p.strip_prefix('@')?.split_once('/'))
        {
            write!(f, "/@{}/{}", percent_encode(owner.as_bytes()), percent_encode(project.as_bytes()))?;
        }
        if let Some(path) = &self.path {
            write!(f, "/{}", percent_encode(path.as_bytes()))?;
        }
        let mut marks = std::iter::once('?').chain(std::iter::repeat('&'));
        let mut mark = || marks.next().unwrap_or('&');
        for reference in &self.refs {
            write!(f, "{}{}", mark(), percent_encode(reference.name.as_bytes()))?;
            if let Some(at) = &reference.at {
                write!(f, ",{}", percent_encode(at.as_bytes()))?;
            }
        }
        for peer in &self.peers {
            write!(f, "{}peer={}", mark(), percent_encode(peer.as_bytes()))?;
        }
        if let Some(invite) = &self.invite {
            write!(f, "{}invite={}", mark(), percent_encode(invite.as_bytes()))?;
        }
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "#{query}"))
    }
}

/// Takes `cairn:` off. Another scheme is only one if letters and nothing else stand before
/// the colon and `//` behind it: `c:x` may be a file's name, and paths say so themselves.
fn strip_scheme(text: &str) -> Result<&str, UriError> {
    if let Some(rest) = text.strip_prefix("cairn:") {
        return Ok(rest);
    }
    match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => Err(UriError::Scheme(scheme.to_owned())),
        _ => Ok(text),
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
}

/// Cuts at the first `mark`; what stands behind it, if it is there.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn split_at_slash(text: &str) -> (&str, &str) {
    text.find('/').map_or((text, ""), |at| text.split_at(at))
}

fn path(text: &str) -> Result<Option<RepoPath>, UriError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = percent::bytes(text);
    RepoPath::new(&bytes).map(Some).map_err(|error| UriError::Path { path: text.to_owned(), error })
}

fn reference(text: &str) -> Result<Ref, UriError> {
    let (first, at) = cut(text, ',');
    Ok(Ref { name: name("the ref", first)?, at: at.map(percent::text).transpose()? })
}

/// Reads a name: not empty, bounded, no control characters.
fn name(part: &'static str, text: &str) -> Result<String, UriError> {
    let read = percent::text(text)?;
    let bad = read.is_empty() || read.len() > NAME_BYTES_MAX || read.chars().any(char::is_control);
    if bad { Err(UriError::Part { part, found: text.to_owned() }) } else { Ok(read) }
}

/// Reads a name that stands between slashes, and so must hold none.
fn plain_name(part: &'static str, text: &str) -> Result<String, UriError> {
    let read = name(part, text)?;
    if read.contains('/') { Err(UriError::Part { part, found: text.to_owned() }) } else { Ok(read) }
}

/// Checks the name of a branch or a mark that is about to be made.
///
/// It must be readable back from a URI, and must not be taken for a hash prefix.
pub fn check_label(label: &str) -> Result<(), UriError> {
    let bad = label.is_empty()
        || label.len() > NAME_BYTES_MAX
        || label.starts_with(['-', '@', '/', '.'])
        || label.chars().any(|c| c.is_control() || c.is_whitespace() || "?#&,%\\\"'".contains(c));
    if bad { Err(UriError::Part { part: "the label", found: label.to_owned() }) } else { Ok(()) }
}

/// Checks a project's name and gives it the owner `me` if it has none.
pub fn project_name(text: &str) -> Result<String, UriError> {
    let full = if text.starts_with('@') { text.to_owned() } else { format!("@me/{text}") };
    let bad = || UriError::Part { part: "the project", found: text.to_owned() };
    let (owner, name) = full.strip_prefix('@').and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
    check_label(owner).and_then(|()| check_label(name)).map_err(|_| bad())?;
    if full.len() > NAME_BYTES_MAX || name.contains('/') { Err(bad()) } else { Ok(full) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    fn reference(name: &str, at: Option<&str>) -> Ref {
        Ref { name: name.into(), at: at.map(Into::into) }
    }

    #[test]
    fn every_prefix_may_be_left_out() {
        let full = parse("cairn://main.team.example/@ann/parser/src/a.rs?feature#fn(parse)");
        assert_eq!(full.repo.as_deref(), Some("main.team.example"));
        assert_eq!(full.project.as_deref(), Some("@ann/parser"));
        assert_eq!(full.path, Some(RepoPath::new(b"src/a.rs").unwrap()));
        assert_eq!(full.refs, [reference("feature", None)]);
        assert_eq!(full.query.as_deref(), Some("fn(parse)"));
        assert_eq!(parse("/@ann/parser").project.as_deref(), Some("@ann/parser"));
        assert_eq!(parse("@ann/parser").project.as_deref(), Some("@ann/parser"));
        assert_eq!(parse("src/a.rs").path, full.path);
        assert_eq!(parse("/src/a.rs").path, full.path);
        assert!(parse("?feature").is_only_refs());
        assert!(parse("").is_empty());
    }

    #[test]
    fn refs_blend_and_narrow() {
        let refs = parse("?head?featureA").refs;
        assert_eq!(refs, [reference("head", None), reference("featureA", None)]);
        assert_eq!(parse("?head,15:50").refs, [reference("head", Some("15:50"))]);
        assert_eq!(parse("?2026-11-20T15:50").refs, [reference("2026-11-20T15:50", None)]);
        assert_eq!(parse("?head,\"skiplist\"").refs, [reference("head", Some("\"skiplist\""))]);
    }

    #[test]
    fn hostile_places_are_refused() {
        for text in [
            "../x",
            "/a/../b",
            "//",
            "///x",
            "@/x",
            "@a",
            "@a/",
            "?",
            "?a?",
            "a%00b",
            "a\\b",
            ".cairn/link.json",
            "http://x/y",
            "%2e%2e/x",
            "?%00",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
        assert!(Uri::parse(&"a/".repeat(URI_BYTES_MAX)).is_err());
        assert!(Uri::parse(&"?a".repeat(REFS_MAX + 1)).is_err());
    }

    #[test]
    fn links_round_trip_with_peers_and_odd_bytes() {
        let uri = Uri {
            repo: Some("ab".repeat(32)),
            project: Some("@ann/a b".into()),
            path: Some(RepoPath::new(b"d/\xff?%41#").unwrap()),
            refs: vec![reference("main", None), reference("head", Some("3d"))],
            query: None,
            peers: vec!["/ip4/127.0.0.1/tcp/4001/p2p/12D3".into()],
            invite: Some("00ff".into()),
        };
        assert_eq!(parse(&uri.to_string()), uri);
    }

    #[test]
    fn labels_must_be_readable_back() {
        for label in ["main", "feature/one", "v1.0", "a-b"] {
            check_label(label).unwrap();
            assert_eq!(parse(&format!("?{label}")).refs, [reference(label, None)]);
        }
        for label in ["", "-x", "a b", "a?b", "a,b", "@x", "..", "a#b"] {
            assert!(check_label(label).is_err(), "{label}");
        }
        assert_eq!(project_name("x").unwrap(), "@me/x");
        assert!(project_name("@x").is_err() && project_name("@a/b/c").is_err());
    }

    #[test]
    fn fuzz_no_text_makes_the_parser_panic_and_what_it_reads_it_reads_again() {
        const WORDS: [&str; 16] = [
            "cairn:", "//", "/", "@", "a", "?", "#", "&", ",", "%", "%2f", "%ff", "..", "peer=", "\u{e9}",
            "\0",
        ];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..(state % 12) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(WORDS[(state >> 60) as usize]);
            }
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(7);
            if let Ok(uri) = Uri::parse(&text) {
                assert_eq!(parse(&uri.to_string()), uri, "{text:?} -> {uri}");
            }
        }
    }
}
