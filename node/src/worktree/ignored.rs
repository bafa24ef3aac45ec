//! Which paths of a worktree are left alone: what `.gitignore` files name, and files that cairn itself is about to write.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::beneath::{Kind, facts_of_file, open_in};

/// What the names of half-written files begin with; a checkout that was killed leaves them.
pub const TEMPORARY_PREFIX: &str = ".cairn-tmp.";
/// The file whose lines name what is left alone.
pub const RULES_FILE: &str = ".gitignore";
/// The most bytes of such a file; a longer one is told, and names nothing.
const RULES_BYTES_MAX: u64 = 4 << 20;

/// Whether this is the name of a half-written file; what an artifact is written to first is named after that, with one
/// more dot.
pub fn is_temporary(name: &[u8]) -> bool {
    let begins = |name: &[u8]| name.starts_with(TEMPORARY_PREFIX.as_bytes());
    begins(name) || name.strip_prefix(b".").is_some_and(begins)
}

/// The rules of a folder and of those above it.
#[derive(Debug, Clone, Default)]
pub struct Rules(Option<Arc<Level>>);

#[derive(Debug)]
struct Level {
    own: Gitignore,
    above: Rules,
}

impl Rules {
    /// The rules inside of a folder that holds a [`RULES_FILE`]. The folder's path is relative to the worktree.
    ///
    /// # Errors
    /// Where the file cannot be read, is no plain file, or is too long. A line that is no rule is passed over, as git does.
    pub fn within(&self, folder: &Path, handle: BorrowedFd<'_>) -> io::Result<Self> {
        let mut own = GitignoreBuilder::new(folder);
        for line in read_rules(handle)?.split(|byte| *byte == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            if let Err(error) = own.add_line(None, line) {
                tracing::debug!(%error, line, "a line of a rules file is passed over");
            }
        }
        let own = own.build().map_err(io::Error::other)?;
        Ok(Self(Some(Arc::new(Level { own, above: self.clone() }))))
    }

    /// Whether a path is left alone; it is relative to the worktree, and no folder above it is left alone.
    pub fn name(&self, path: &Path, is_dir: bool) -> bool {
        let mut rules = self;
        while let Some(level) = &rules.0 {
            match level.own.matched(path, is_dir) {
                Match::None => rules = &level.above,
                found => return found.is_ignore(),
            }
        }
        false
    }
}

fn read_rules(handle: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut file = open_in(handle, RULES_FILE)?;
    let facts = facts_of_file(&file)?;
    if facts.kind != Kind::File || facts.bytes > RULES_BYTES_MAX {
        return Err(io::Error::other("it is no plain file of at most 4 MiB"));
    }
    let mut text = Vec::new();
    file.by_ref().take(RULES_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}
