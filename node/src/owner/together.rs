//! Writes of several keys that become durable together.
//!
//! Each is signed by its own key and refused for its own reasons; the log is written and synced once for all. Only
//! then does the service hear of any of them, and only then does anybody learn that his write is there.

use cairn_crdt::id::RepoId;
use cairn_protocol::Batch;

use super::{Owner, Write, Written, written};
use crate::error::NodeError;

/// A write of a group: its place in the answers, and what is signed of it.
type Signed = (usize, Batch);

impl Owner {
    /// Signs local writes in one repo, and makes them durable together: one write and one sync of the log. What one of them
    /// is refused for is no matter of the others. A second write of one key stands behind the first, so it waits
    /// until that one is there. The answers come in the order of the writes.
    pub fn write_together(&mut self, repo: RepoId, writes: Vec<Write>) -> Vec<Result<Written, NodeError>> {
        let mut answers: Vec<Option<Result<Written, NodeError>>> = writes.iter().map(|_| None).collect();
        let mut waiting: Vec<(usize, Write)> = writes.into_iter().enumerate().collect();
        while !waiting.is_empty() {
            let (mut signed, mut later) = (Vec::new(), Vec::new());
            for (at, write) in waiting {
                if !signed.is_empty() && self.is_writing(repo, &write) {
                    later.push((at, write));
                    continue;
                }
                match self.sign(repo, write, Vec::new()) {
                    Ok(batch) => signed.push((at, batch)),
                    Err(error) => put(&mut answers, at, Err(error)),
                }
            }
            self.commit_signed(repo, signed, &mut answers);
            waiting = later;
        }
        let unanswered = || Err(NodeError::Bug("a write of a group without an answer"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }

    /// Whether a write of the same key is signed and not there yet.
    fn is_writing(&self, repo: RepoId, write: &Write) -> bool {
        let key = write.key.as_ref().unwrap_or(&self.key).key();
        self.replica(repo).is_ok_and(|replica| replica.is_writing(write.project, &key))
    }

    fn commit_signed(
        &mut self,
        repo: RepoId,
        signed: Vec<Signed>,
        answers: &mut [Option<Result<Written, NodeError>>],
    ) {
        let batches: Vec<&Batch> = signed.iter().map(|(_, batch)| batch).collect();
        if batches.is_empty() {
            return;
        }
        if let Err(error) = self.commit(repo, &batches) {
            signed.iter().for_each(|(at, _)| put(answers, *at, Err(error.again())));
            return;
        }
        let (ats, batches): (Vec<usize>, Vec<Batch>) = signed.into_iter().unzip();
        let came: Vec<_> = batches.iter().map(written).collect();
        let shown = self.show(repo, batches);
        for (at, came) in ats.into_iter().zip(came) {
            let failed = shown.as_ref().err().map(|_| NodeError::Bug("what is durable is not shown"));
            put(answers, at, failed.map_or(came, Err));
        }
    }
}

fn put(answers: &mut [Option<Result<Written, NodeError>>], at: usize, answer: Result<Written, NodeError>) {
    if let Some(place) = answers.get_mut(at) {
        *place = Some(answer);
    }
}
