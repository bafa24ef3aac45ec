//! Commits are read ahead: while one becomes a waypoint, another thread reads the next ones from the repository, and their texts by
//! their grammars. What it holds has a bound: so many commits, so many bytes of each, so many bytes of parsed texts.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use cairn_crdt::Ahead;
use cairn_crdt::path::RepoPath;

use super::commit::Commit;
use super::edits::{Want, touched, want};
use super::entry::Kind;
use super::source::Source;
use super::tree::{Change, Entry, Trees, path_problem};
use super::{Oid, Problem};

/// How many commits are read ahead.
const COMMITS_COUNT_MAX: usize = 4;
/// How many bytes of files of one commit are read ahead; whoever needs more reads it then.
const FILES_BYTES_MAX: usize = 8 << 20;
/// How many bytes of texts of one commit are parsed ahead.
const TEXTS_BYTES_MAX: usize = 1 << 20;
/// How many bytes the texts have that are kept for the next version of a file; a tree is some twenty times as large.
const OLDER_BYTES_MAX: usize = 2 << 20;

/// A commit that was read.
pub(crate) struct Read {
    pub(crate) id: Oid,
    /// Its bytes.
    pub(crate) raw: Vec<u8>,
    pub(crate) commit: Commit,
    /// What differs from its first parent.
    pub(crate) changes: Vec<Change>,
    /// What the paths are to hold that changed, as far as it was read.
    pub(crate) wants: BTreeMap<RepoPath, Option<Want>>,
    /// Its texts, as their grammars read them, with those that they replace where nobody has read these.
    pub(crate) texts: Vec<Ahead>,
}

/// Reads commits in this order, in a thread of the scope.
pub(crate) fn read_ahead<'scope, 'a: 'scope>(
    scope: &'scope Scope<'scope, 'a>,
    path: &'a Path,
    order: &'a [Oid],
) -> Receiver<Result<Read, Problem>> {
    let (out, read) = sync_channel(COMMITS_COUNT_MAX);
    scope.spawn(move || read_all(path, order, &out));
    read
}

/// Reads until the end, until something is wrong, or until nobody listens.
fn read_all(path: &Path, order: &[Oid], out: &SyncSender<Result<Read, Problem>>) {
    let source = match Source::open(path) {
        Ok(source) => source,
        Err(problem) => return drop(out.send(Err(problem))),
    };
    let mut reader = Reader { source: &source, trees: Trees::new(&source), older: Older::default() };
    for id in order {
        let read = reader.read(*id);
        let is_wrong = read.is_err();
        if out.send(read).is_err() || is_wrong {
            return;
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    trees: Trees<'a>,
    older: Older,
}

impl Reader<'_> {
    fn read(&mut self, id: Oid) -> Result<Read, Problem> {
        let raw = self.source.commit(id)?;
        let commit = Commit::read(id, &raw)?;
        let first = commit.parents.first().map(|parent| self.tree_of(*parent)).transpose()?;
        let changes = self.trees.changes(id, first, commit.tree)?;
        let known: BTreeMap<&[u8], &Change> =
            changes.iter().map(|change| (&change.path[..], change)).collect();
        let (mut wants, mut texts) = (BTreeMap::new(), Vec::new());
        let (mut files, mut parsed) = (0, 0);
        for path in touched(&changes) {
            let checked = RepoPath::new(path).map_err(|error| path_problem(id, path, &error.to_string()))?;
            let change = known.get(path).copied();
            let is_near = files < FILES_BYTES_MAX;
            let wanted = match change.filter(|_| is_near) {
                Some(change) => Some(want(self.source, id, &checked, change.new)?),
                None => None,
            };
            if let (Some(Want::File { bytes, .. }), Some(change)) = (&wanted, change) {
                files += bytes.len();
                if parsed + bytes.len() <= TEXTS_BYTES_MAX {
                    parsed += bytes.len();
                    self.parse(&checked, change.old, bytes, &mut texts)?;
                }
            }
            wants.insert(checked, wanted);
        }
        Ok(Read { id, raw, commit, changes, wants, texts })
    }

    fn tree_of(&self, commit: Oid) -> Result<Oid, Problem> {
        Ok(Commit::read(commit, &self.source.commit(commit)?)?.tree)
    }

    /// Reads a text, and the one that it replaces where that is not at hand.
    fn parse(
        &mut self,
        path: &RepoPath,
        old: Option<Entry>,
        bytes: &Arc<[u8]>,
        texts: &mut Vec<Ahead>,
    ) -> Result<(), Problem> {
        let name = path.name();
        let mut older = self.older.take(path);
        let old = old.filter(|old| matches!(old.mode.kind(), Kind::File { .. }) && older.is_none());
        if let Some(Entry { id, .. }) = old {
            let before: Arc<[u8]> = self.source.blob(id)?.into();
            if before.len() <= TEXTS_BYTES_MAX {
                older = Ahead::of(name.as_bytes(), &before, None);
                texts.extend(older.clone());
            }
        }
        if let Some(ahead) = Ahead::of(name.as_bytes(), bytes, older.as_ref()) {
            self.older.keep(path, ahead.clone());
            texts.push(ahead);
        }
        Ok(())
    }
}

/// The last texts of files that were read lately, the last one first.
#[derive(Default)]
struct Older {
    texts: VecDeque<(RepoPath, Ahead)>,
    bytes: usize,
}

impl Older {
    fn take(&mut self, path: &RepoPath) -> Option<Ahead> {
        let at = self.texts.iter().position(|(other, _)| other == path)?;
        let (_, ahead) = self.texts.remove(at)?;
        self.bytes -= ahead.text().len();
        Some(ahead)
    }

    fn keep(&mut self, path: &RepoPath, ahead: Ahead) {
        self.bytes += ahead.text().len();
        self.texts.push_front((path.clone(), ahead));
        while self.bytes > OLDER_BYTES_MAX {
            let Some((_, last)) = self.texts.pop_back() else { return };
            self.bytes -= last.text().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(bytes: usize) -> Ahead {
        let text: Arc<[u8]> = vec![b'\n'; bytes].into();
        Ahead::of(b"a.rs", &text, None).unwrap()
    }

    #[test]
    fn what_is_kept_of_older_texts_has_a_bound() {
        let (mut older, path) = (Older::default(), |name: &str| RepoPath::new(name.as_bytes()).unwrap());
        let half = OLDER_BYTES_MAX / 2;
        older.keep(&path("one.rs"), ahead(half));
        older.keep(&path("two.rs"), ahead(half));
        older.keep(&path("three.rs"), ahead(1));
        assert!(older.take(&path("one.rs")).is_none(), "the first one has gone");
        assert!(older.take(&path("two.rs")).is_some() && older.take(&path("three.rs")).is_some());
        assert_eq!((older.bytes, older.texts.len()), (0, 0));
    }

    #[test]
    fn where_nobody_listens_nothing_more_is_read() {
        let (out, read) = sync_channel(0);
        drop(read);
        read_all(Path::new("/no/such/repository"), &[], &out);
        let (out, read) = sync_channel(1);
        read_all(Path::new("/no/such/repository"), &[], &out);
        assert!(matches!(read.recv(), Ok(Err(Problem::NoRepository { .. }))));
    }
}
