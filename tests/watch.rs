//! A running `watch`, and what it says.

use crate::harness::Node;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A `watch` that ends with the test.
pub(crate) struct Watch {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Watch {
    /// Starts it; it is ready when it has said so.
    pub(crate) fn start(node: &Node) -> Self {
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
    pub(crate) fn told(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// Every version on which it says it stood.
    pub(crate) fn stood(&self) -> Vec<Vec<String>> {
        let events = self.events.lock().unwrap();
        let heads = |event: &Value| match event["waypoint"].as_str() {
            Some(waypoint) => vec![waypoint.to_owned()],
            None => strings(&event["frontier"]),
        };
        events.iter().map(heads).collect()
    }

    /// Whether it told of such an event.
    pub(crate) fn saw(&self, event: &str) -> bool {
        self.events.lock().unwrap().iter().any(|told| told["event"] == event)
    }

    /// What it told last.
    pub(crate) fn last(&self) -> Option<Value> {
        self.events.lock().unwrap().last().cloned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// The texts in a list.
pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Where it writes what is no event.
pub(crate) fn log_path(node: &Node) -> std::path::PathBuf {
    node.tree.with_extension("watch.log")
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
