//! How far something long has come, for who waits for it: a terminal, or a command at the control socket.
//!
//! What is going to be fetched is told once, to whoever asked for it, before it begins.
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

/// What is going to be fetched, and what room there is: told before it begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// How many large files are to be fetched.
    pub files: u64,
    /// How many bytes of them are not here.
    pub bytes: u64,
    /// How many bytes are free on the disk that they go to.
    pub room_bytes: u64,
}

impl Load {
    /// Whether nothing is to be fetched.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }
}

/// Tells who asked what is going to be fetched.
pub type Teller = Box<dyn Fn(&Load) + Send>;

/// What somebody who waits is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// How far something long has come.
    Progress(Progress),
    /// What is going to be fetched.
    Load(Load),
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
