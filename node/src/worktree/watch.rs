//! Notices when files of a worktree come to rest.
//!
//! The watcher only says that something may have changed; what did is for a scan to find,
//! so an event that was lost or that cairn itself caused does no harm: the scan knows
//! what was written last and finds nothing new.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cairn_crdt::path::PRIVATE_DIR;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::ignored::is_temporary;
use crate::error::NodeError;

/// Files are at rest when nothing was heard of them for so long.
const SETTLE: Duration = Duration::from_millis(30);
/// Someone who writes without a pause is not waited for any longer than this.
const RESTLESS_MAX: Duration = Duration::from_secs(2);
/// Without the system's help, the worktree is looked at this often.
const BLIND_LOOK: Duration = Duration::from_secs(2);

/// Notices when files of a worktree come to rest.
pub struct Watcher {
    events: Receiver<()>,
    /// Held so that events keep coming; none when the system does not give any.
    watcher: Option<RecommendedWatcher>,
}

impl Watcher {
    /// Watches a worktree's folder. Where the system cannot, every wait ends in a look.
    pub fn start(root: &Path) -> Result<Self, NodeError> {
        let root = root.canonicalize().map_err(|error| NodeError::io("watch", root, error))?;
        let (sender, events) = mpsc::channel();
        let base = root.clone();
        let heard = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&base, &event)) {
                // Nobody listens any more once the watcher is gone.
                let _ = sender.send(());
            }
        };
        let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
            watcher.watch(&root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "the system does not tell of changes; looking every {BLIND_LOOK:?}");
        }
        Ok(Self { events, watcher: watcher.ok() })
    }

    /// Waits for files to change and to come to rest; whether something may have changed.
    pub fn settled(&self, wait: Duration) -> bool {
        if self.watcher.is_none() {
            std::thread::sleep(BLIND_LOOK.min(wait));
            return true;
        }
        if self.events.recv_timeout(wait).is_err() {
            return false;
        }
        let end = Instant::now() + RESTLESS_MAX;
        while Instant::now() < end {
            match self.events.recv_timeout(SETTLE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        true
    }
}

/// Whether an event may mean that a file of the project changed.
fn matters(root: &Path, event: &Event) -> bool {
    if event.kind.is_access() {
        return false;
    }
    let private = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(path);
        let own = below.components().next().is_some_and(|first| first.as_os_str() == PRIVATE_DIR);
        own || below.file_name().is_some_and(|name| is_temporary(name.as_encoded_bytes()))
    };
    event.paths.is_empty() || !event.paths.iter().all(|path| private(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_heard_of_and_the_private_folder_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".cairn")).unwrap();
        let watcher = Watcher::start(dir.path()).unwrap();
        while watcher.settled(Duration::from_millis(200)) {}
        fs::write(dir.path().join(".cairn/index"), "x").unwrap();
        fs::write(dir.path().join(".cairn-tmp.1.1"), "x").unwrap();
        assert!(!watcher.settled(Duration::from_millis(300)));
        fs::write(dir.path().join("a"), "x").unwrap();
        assert!(watcher.settled(Duration::from_secs(10)));
    }
}
