//! What the demo prints: one row a step, with its time; a spinner on a terminal meanwhile.

use crate::error::Failure;
use crate::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

/// The rows so far.
pub(super) struct Table {
    json: bool,
    start: Instant,
    rows: Vec<(String, f64, String)>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(json: bool) -> Self {
        if !json {
            output::line("   time  step");
        }
        Self { json, start: Instant::now(), rows: Vec::new() }
    }

    /// Does one step, and writes its row: what was done, how long it took, what came of it.
    pub(super) fn step(
        &mut self,
        name: &str,
        act: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let spinner = spinner(name);
        let start = Instant::now();
        let done = act();
        let seconds = start.elapsed().as_secs_f64();
        spinner.finish_and_clear();
        let (sign, note) = match &done {
            Ok(note) => ("  ", note.clone()),
            Err(failure) => ("! ", failure.message.clone()),
        };
        if !self.json {
            output::line(&format!("{seconds:6.2}s {sign}{name:<46} {note}"));
        }
        self.rows.push((name.to_owned(), seconds, note));
        done.map(drop)
    }

    /// The last line.
    pub(super) fn end(&self, ok: bool, kept: Option<&Path>) {
        let seconds = self.start.elapsed().as_secs_f64();
        if self.json {
            let step = |(step, seconds, note): &(String, f64, String)| json!({ "step": step, "seconds": seconds, "note": note });
            let steps: Vec<_> = self.rows.iter().map(step).collect();
            // A failure prints its own document; one line is one document.
            if ok {
                output::line(
                    &json!({ "ok": ok, "seconds": seconds, "steps": steps, "kept": kept }).to_string(),
                );
            }
            return;
        }
        let verdict = if ok { "all nodes hold the same bytes" } else { "SOMETHING DIFFERS" };
        output::line(&format!("{seconds:6.2}s   {verdict}"));
        if let Some(kept) = kept {
            output::line(&format!("kept in {}", kept.display()));
        }
    }
}

fn spinner(name: &str) -> ProgressBar {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>7} {spinner} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    if terminal {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}
