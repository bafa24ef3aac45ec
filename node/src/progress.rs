//! How far something long has come, for who waits for it: a terminal, or a command at the control socket.
//!
//! A process does one long thing at a time, on the thread that owns the store; whoever waits looks when it likes.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How far something has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is done.
    pub doing: String,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes that there are.
    pub of: u64,
}

static NOW: Mutex<Option<Progress>> = Mutex::new(None);

/// Something goes on; nothing does where all is done.
pub(crate) fn tell(doing: &str, done: u64, of: u64) {
    let now = (done < of).then(|| Progress { doing: doing.to_owned(), done, of });
    *NOW.lock().unwrap_or_else(PoisonError::into_inner) = now;
}

/// Nothing goes on any more.
pub(crate) fn end() {
    tell("", 0, 0);
}

/// What goes on, if anything does.
pub fn now() -> Option<Progress> {
    NOW.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
