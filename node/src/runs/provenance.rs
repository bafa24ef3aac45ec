//! The chain of runs from raw data to an artifact, checked from one file and without the repo.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::ContentHash;
use cairn_protocol::Signed;
use cairn_protocol::provenance::{Attested, Provenance};
use serde::{Deserialize, Serialize};

use super::RUNS_BRANCH;
use super::record::{Item, Record, RunId};
use crate::verbs::verify::Problem;

/// A chain of runs, and whether it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The artifact.
    pub artifact: String,
    /// What its run called it; empty where the chain does not reach it.
    pub path: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The BLAKE3 hash of all its bytes.
    pub content: String,
    /// The repo.
    pub repo: String,
    /// The project.
    pub project: String,
    /// The key that gathered the chain and signs that it is all there is.
    pub gathered_by: String,
    /// When, in milliseconds since 1970.
    pub gathered_ms: u64,
    /// The runs, each after those that made what it read.
    pub steps: Vec<Step>,
    /// What they read and no run made.
    pub raw: Vec<Part>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// A run, and who signs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The run.
    pub run: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The root of its code.
    pub code: String,
    /// The key that signs the record.
    pub key: String,
    /// Whether that is a founder's; else it was given a right to write.
    pub founder: bool,
    /// What its owner calls themselves, if the waypoint says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was written, by the author's clock, in milliseconds since 1970.
    pub written_ms: u64,
    /// The waypoint that holds it.
    pub waypoint: String,
    /// What it read.
    pub read: Vec<Part>,
    /// What it wrote.
    pub made: Vec<Part>,
}

/// A file that a run read or wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where it lay.
    pub path: String,
    /// The BLAKE3 hash of its bytes.
    pub content: String,
    /// The artifact that keeps its bytes, if any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The run that made it; of raw data, and of what a run writes, none is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What steps have made so far, and what was used of it.
#[derive(Default)]
struct Links {
    /// The last step that made a content.
    made: BTreeMap<String, usize>,
    used: BTreeSet<usize>,
    raw_used: BTreeMap<String, Part>,
}

/// Checks signatures, logs, rights, records and how they hang together.
pub fn check(file: &Signed<Provenance>) -> Chain {
    let claimed = file.claimed();
    let mut chain = Chain {
        artifact: claimed.artifact.to_string(),
        repo: claimed.repo().to_string(),
        project: claimed.project.clone(),
        gathered_by: claimed.key.to_string(),
        gathered_ms: claimed.gathered_ms,
        ..Chain::default()
    };
    if let Err(error) = file.clone().verify() {
        chain.wrong("E_SIGNATURE", "the file".to_owned(), format!("as whoever gathered it: {error}"));
    }
    match claimed.attest() {
        Ok(steps) => {
            let mut links = Links::default();
            let raw: BTreeSet<String> = claimed.raw.iter().map(ContentHash::to_string).collect();
            let records = steps.into_iter().zip(&claimed.steps).enumerate().map(|(at, (attested, step))| {
                let attested = attested.map_err(|error| ("E_REJECTED", error.to_string()));
                chain.step(at, attested.and_then(told), step.waypoint.id().to_string(), &raw, &mut links)
            });
            let records: Vec<_> = records.collect();
            chain.end(&records, &raw, links);
        }
        Err(error) => chain.wrong("E_REJECTED", "founding and rights".to_owned(), error.to_string()),
    }
    chain.ok = chain.problems.is_empty();
    chain
}

/// Why a step is none: a word for programs, and what was found.
type Fault = (&'static str, String);

/// The record that a step holds.
fn told(attested: Attested) -> Result<(RunId, Record, Attested), Fault> {
    let record = |why: String| ("E_RECORD", why);
    if attested.branch.as_deref() != Some(RUNS_BRANCH) {
        return Err(record(format!("it is not on the branch {RUNS_BRANCH}")));
    }
    let [bytes] = attested.contents.as_slice() else {
        return Err(record(format!("it holds {} contents, not one record", attested.contents.len())));
    };
    let read = Record::read(bytes).map_err(|error| record(error.to_string()))?;
    Ok((RunId::of(bytes), read, attested))
}

impl Chain {
    /// Adds what is wrong.
    pub fn wrong(&mut self, code: &str, place: String, detail: String) {
        self.problems.push(Problem { code: code.to_owned(), place, detail });
    }

    /// Takes a step in; its record, where it has one.
    fn step(
        &mut self,
        at: usize,
        told: Result<(RunId, Record, Attested), Fault>,
        waypoint: String,
        raw: &BTreeSet<String>,
        links: &mut Links,
    ) -> Option<Record> {
        let place = |at: usize| format!("step {}", at + 1);
        let (run, record, attested) = match told {
            Ok(told) => told,
            Err((code, detail)) => {
                self.wrong(code, place(at), detail);
                self.steps.push(Step { waypoint, ..Step::default() });
                return None;
            }
        };
        let mut step = Step {
            run: run.to_string(),
            name: record.name.clone(),
            command: record.command.clone(),
            code: record.code.root.clone(),
            key: attested.feed.key.to_string(),
            founder: attested.is_founder,
            author: attested.author.map(|profile| profile.name),
            written_ms: attested.stamp.wall_ms,
            waypoint,
            ..Step::default()
        };
        for item in &record.inputs {
            let maker = links.made.get(&item.content).copied();
            let from = maker.and_then(|maker| self.steps.get(maker)).map(|maker| maker.run.clone());
            let read = Part { from, ..part(item) };
            match maker {
                Some(maker) => drop(links.used.insert(maker)),
                None if raw.contains(&item.content) => {
                    links.raw_used.entry(item.content.clone()).or_insert_with(|| read.clone());
                }
                None => {
                    let detail = format!("{} was made by no step before, and is not raw", item.path);
                    self.wrong("E_EDGE", format!("run {run}"), detail);
                }
            }
            step.read.push(read);
        }
        for item in &record.outputs {
            links.made.insert(item.content.clone(), at);
            step.made.push(part(item));
        }
        self.steps.push(step);
        Some(record)
    }

    /// Looks whether the chain ends where it should, and nothing stands beside it.
    fn end(&mut self, records: &[Option<Record>], raw: &BTreeSet<String>, links: Links) {
        let last = records.len().saturating_sub(1);
        for (at, _) in records.iter().enumerate().filter(|(at, _)| *at != last && !links.used.contains(at)) {
            self.wrong(
                "E_EDGE",
                format!("step {}", at + 1),
                "nothing after it reads what it made".to_owned(),
            );
        }
        for content in raw.iter().filter(|content| !links.raw_used.contains_key(*content)) {
            self.wrong("E_EDGE", format!("raw {content}"), "no step reads it".to_owned());
        }
        self.raw = links.raw_used.into_values().collect();
        let record = records.last().and_then(Option::as_ref);
        let is_it = |item: &&Item| item.artifact.as_ref() == Some(&self.artifact);
        match record.and_then(|record| record.outputs.iter().find(is_it)) {
            Some(item) => {
                (self.path, self.bytes) = (item.path.clone(), item.bytes);
                self.content = item.content.clone();
            }
            None => {
                let detail = "the last step did not make it".to_owned();
                self.wrong("E_EDGE", format!("artifact {}", self.artifact), detail);
            }
        }
    }
}

fn part(item: &Item) -> Part {
    Part {
        path: item.path.clone(),
        content: item.content.clone(),
        artifact: item.artifact.clone(),
        from: None,
    }
}

#[cfg(test)]
mod tests;
