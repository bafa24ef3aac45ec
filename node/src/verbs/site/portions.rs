//! Large posts in portions, so that memory need not hold the bytes of all files at once.

use crate::worktree::edits::FILE_BYTES_MAX;
use crate::worktree::scan::{Change, Difference, Disk};

/// What the files of one portion come to, in bytes.
const PORTION_BYTES_MAX: u64 = 64 << 20;

/// Changes in portions whose bytes may lie in memory together. Where files went, all is one: what went and what came may be
/// one file that moved.
pub(super) fn portions(changes: &[Change]) -> Vec<&[Change]> {
    if changes.iter().any(|change| change.difference == Difference::Removed) {
        return vec![changes];
    }
    let (mut portions, mut rest, mut bytes) = (Vec::new(), changes, 0);
    let mut at = 0;
    for change in changes {
        let more = match change.disk {
            Some(Disk::File { bytes, .. }) => bytes.min(FILE_BYTES_MAX),
            _ => 0,
        };
        if bytes + more > PORTION_BYTES_MAX && at > 0 {
            let (portion, after) = rest.split_at(at);
            portions.push(portion);
            (rest, bytes, at) = (after, 0, 0);
        }
        (bytes, at) = (bytes + more, at + 1);
    }
    portions.push(rest);
    portions
}

#[cfg(test)]
mod tests {
    use cairn_crdt::id::ContentHash;
    use cairn_crdt::path::RepoPath;

    use super::*;

    fn change(number: u64, bytes: u64) -> Change {
        let content = ContentHash([1; 32]);
        Change {
            path: RepoPath::new(format!("file {number}").as_bytes()).unwrap(),
            difference: Difference::Added,
            disk: Some(Disk::File { content, bytes, executable: false, artifact: None }),
        }
    }

    #[test]
    fn a_portion_holds_no_more_than_it_should_and_nothing_is_left_out() {
        let changes: Vec<_> = (0..100).map(|number| change(number, 1 << 20)).collect();
        let found = portions(&changes);
        assert_eq!(found.iter().map(|portion| portion.len()).collect::<Vec<_>>(), [64, 36]);
        assert_eq!(found.concat(), changes);
        assert_eq!(portions(&[]), [&[]]);
        // Of a file that becomes an artifact no more is read at once than of the largest other one.
        assert_eq!(portions(&[change(1, 1 << 40), change(2, 1)]).len(), 1);
    }

    #[test]
    fn what_may_have_moved_is_not_parted() {
        let mut changes: Vec<_> = (0..100).map(|number| change(number, 1 << 20)).collect();
        changes.push(Change { difference: Difference::Removed, disk: None, ..change(100, 0) });
        assert_eq!(portions(&changes).len(), 1);
    }
}
