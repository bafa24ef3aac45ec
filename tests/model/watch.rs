//! A running `watch`, and what it says.

use crate::harness::Node;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A `watch` that ends with the test.
pub(super) struct Watch {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Watch {
    /// Starts it; it is ready when it has said so.
    pub(super) fn start(node: &Node) -> Self {
        let log = File::options().create(true).append(true).open(log_path(node)).unwrap();
        let mut command = node.command();
        command.arg("watch").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let told = Arc::clone(&events);
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                told.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, events }
    }

    /// How many events it told so far.
    pub(super) fn told(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// Every version on which it says it stood.
    pub(super) fn stood(&self) -> Vec<Vec<String>> {
        let events = self.events.lock().unwrap();
        let heads = |event: &Value| match event["waypoint"].as_str() {
            Some(waypoint) => vec![waypoint.to_owned()],
            None => strings(&event["frontier"]),
        };
        events.iter().map(heads).collect()
    }

    /// What it told last.
    pub(super) fn last(&self) -> Option<Value> {
        self.events.lock().unwrap().last().cloned()
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// The texts in a list.
pub(super) fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Where it writes what is no event.
pub(super) fn log_path(node: &Node) -> std::path::PathBuf {
    node.tree.with_extension("watch.log")
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
