//! How far something long has come, in one line on a terminal's stderr.

use crate::output::size;
use cairn_node::progress::{self, Progress};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);

/// The line; gone when this is dropped.
pub(crate) struct Bar {
    is_terminal: bool,
    shown: bool,
    begun: Option<(Instant, u64)>,
}

impl Bar {
    /// A line that says nothing yet.
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), shown: false, begun: None }
    }

    /// Does something in this thread, and tells how far it is from another one.
    pub(crate) fn beside<T>(act: impl FnOnce() -> T) -> T {
        let mut bar = Self::new();
        if !bar.is_terminal {
            return act();
        }
        std::thread::scope(|scope| {
            let (end, ending) = channel::<()>();
            scope.spawn(move || {
                while ending.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    progress::now().iter().for_each(|progress| bar.tell(progress));
                }
            });
            let done = act();
            drop(end);
            done
        })
    }

    /// Shows how far it is, on a terminal.
    pub(crate) fn tell(&mut self, progress: &Progress) {
        if !self.is_terminal {
            return;
        }
        self.shown = true;
        let (at, from) = *self.begun.get_or_insert((Instant::now(), progress.done));
        let speed = progress.done.saturating_sub(from) as f64 / at.elapsed().as_secs_f64().max(0.001);
        let Progress { doing, done, of } = progress;
        let percent = done.saturating_mul(100) / (*of).max(1);
        let (done, of, speed) = (size(*done), size(*of), size(speed as u64));
        let line = format!("\r\x1b[K{doing} {percent} %, {done} of {of}, {speed}/s");
        // Nobody is worse off where the terminal is gone.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
