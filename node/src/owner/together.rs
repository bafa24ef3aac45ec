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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cairn_crdt::Frontier;
    use cairn_crdt::id::ProjectId;
    use cairn_protocol::Keypair;
    use cairn_protocol::grant::{Grant, Scope};

    use super::super::tests::{PROJECT, right, writing};
    use super::*;
    use crate::files::fault::{FaultFiles, Kept, Plan};
    use crate::{Home, identity};

    fn owner(dir: &Path, files: &FaultFiles) -> Owner {
        Owner::open(Home::with_files(dir, Arc::new(files.clone())).unwrap()).unwrap()
    }

    fn key(number: u8) -> Keypair {
        Keypair::from_secret(&[number; 32])
    }

    /// A repo in which keys 1 to 3 may write, and 9 may not.
    fn founded(dir: &Path, files: &FaultFiles) -> (Owner, RepoId, ProjectId) {
        let mut owner = owner(dir, files);
        let repo = owner.create("engine", true).unwrap();
        let project = owner.add_project(repo, PROJECT).unwrap();
        let founder = identity::device(owner.home()).unwrap();
        for number in 1..=3 {
            let seen = owner.replica(repo).unwrap().grants().heads();
            let grant = Grant { scope: Scope::Project(project), ..right(&owner, repo, number, seen) };
            owner.grant(repo, vec![grant.sign(&founder).unwrap()]).unwrap();
        }
        (owner, repo, project)
    }

    fn together(owner: &mut Owner, repo: RepoId, by: &[u8]) -> Vec<Result<Written, NodeError>> {
        let named = by.iter().enumerate().map(|(at, by)| (*by, format!("{at}.txt")));
        let writes = named.map(|(by, name)| writing(owner, repo, &name, &name, Some(key(by)))).collect();
        owner.write_together(repo, writes)
    }

    fn branch(owner: &Owner, repo: RepoId, project: ProjectId) -> Frontier {
        owner.replica(repo).unwrap().branch(project, "main")
    }

    fn names(owner: &mut Owner, repo: RepoId, project: ProjectId) -> Vec<String> {
        let frontier = branch(owner, repo, project);
        let (replica, store) = owner.with(repo).unwrap();
        let view = replica.view(project, &frontier, store).unwrap();
        view.files.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn those_who_write_together_share_a_sync_and_a_bad_one_is_told_alone() {
        let (dir, files) = (tempfile::tempdir().unwrap(), FaultFiles::default());
        let (mut owner, repo, project) = founded(dir.path(), &files);
        files.plan(Plan::default());
        let answers = together(&mut owner, repo, &[1, 9, 2, 3]);
        assert_eq!(files.syncs(), 1);
        let told: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(told, [true, false, true, true]);
        assert_eq!(answers[1].as_ref().unwrap_err().code(), "E_REFUSED");
        let tips: Frontier = answers.iter().flatten().map(|written| written.waypoint).collect();
        assert_eq!(branch(&owner, repo, project), tips);
    }

    #[test]
    fn a_key_that_writes_twice_signs_no_place_of_its_feed_twice() {
        let (dir, files) = (tempfile::tempdir().unwrap(), FaultFiles::default());
        let (mut owner, repo, project) = founded(dir.path(), &files);
        let answers = together(&mut owner, repo, &[1, 1, 2, 1]);
        let places: Vec<u64> = answers.iter().map(|written| written.as_ref().unwrap().seq).collect();
        assert_eq!(places, [1, 2, 1, 3]);
        assert_eq!(names(&mut owner, repo, project), ["0.txt", "1.txt", "2.txt", "3.txt"]);
    }

    #[test]
    fn where_the_sync_fails_nobody_is_told_that_his_write_is_there() {
        let (dir, files) = (tempfile::tempdir().unwrap(), FaultFiles::default());
        let (mut owner, repo, _) = founded(dir.path(), &files);
        owner.take_effects();
        files.plan(Plan { fail_sync_at: Some(1), ..Plan::default() });
        let answers = together(&mut owner, repo, &[1, 2, 3]);
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.code() == "E_IO")));
        let announced =
            |effect: &cairn_protocol::Effect| matches!(effect, cairn_protocol::Effect::Publish { .. });
        assert!(!owner.take_effects().iter().any(announced));
        // What is on the disk counts, and every key goes on behind it.
        files.plan(Plan::default());
        let answers = together(&mut owner, repo, &[1, 2, 3]);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert!(owner.verify(true).iter().all(|(_, report)| report.is_ok()));
    }

    #[test]
    fn a_crash_leaves_all_of_a_group_or_none_and_all_that_was_told() {
        let mut step = 1;
        loop {
            let (dir, files) = (tempfile::tempdir().unwrap(), FaultFiles::default());
            let (owner, repo, project) = founded(dir.path(), &files);
            drop(owner);
            let files = files.crash(Kept::All);
            let mut owner = self::owner(dir.path(), &files);
            files.plan(Plan { crash_at: Some(step), ..Plan::default() });
            let answers = together(&mut owner, repo, &[1, 2, 3]);
            let went_through = files.steps() < step;
            let told = answers.iter().filter(|answer| answer.is_ok()).count();
            drop(owner);
            for kept in [Kept::None, Kept::All, Kept::Some(step)] {
                let back = files.crash(kept);
                let mut owner = self::owner(dir.path(), &back);
                let there = names(&mut owner, repo, project).len();
                assert!(there == 0 || there == 3, "step {step}, {kept:?}: {there} of three");
                assert!(there >= told, "step {step}, {kept:?}: {told} were told, {there} are there");
                let answers = together(&mut owner, repo, &[1, 2, 3]);
                assert!(answers.iter().all(Result::is_ok), "step {step}, {kept:?}: {answers:?}");
            }
            if went_through {
                assert_eq!(told, 3);
                assert!(step > 2, "nothing was cut off: the test tested nothing");
                return;
            }
            step += 1;
        }
    }
}
