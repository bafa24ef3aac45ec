//! Verbs on one home, with worktrees that meet through its store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cairn_crdt::id::{ArtifactId, ContentHash, RepoId, derive};
use cairn_protocol::Wanted;
use cairn_protocol::manifest::{Chunk, Manifest};

use super::artifact::gc::Collected;
use super::du::Weight;
use super::*;
use crate::Home;
use crate::artifacts::{Checked, Hashes, More};
use crate::net::{Haul, Moved};
use crate::progress::Load;

#[cfg(test)]
mod epochs;
#[cfg(test)]
mod landing;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod undoing;

/// A network with nobody on it; artifacts lie in memory.
#[derive(Default)]
pub(crate) struct Alone {
    artifacts: BTreeMap<ArtifactId, Vec<u8>>,
    /// What came with bundles.
    pub(crate) kept: Vec<ArtifactId>,
    pub(crate) chunks: BTreeSet<ContentHash>,
}

fn nobody<T>() -> Result<T, NodeError> {
    Err(NodeError::Network("nobody is there".to_owned()))
}

impl Network for Alone {
    fn sync(&mut self, _: &mut Owner, _: RepoId, _: &[String]) -> Result<Synced, NodeError> {
        nobody()
    }

    fn join(&mut self, _: &mut Owner, _: Wanted, _: &[String]) -> Result<Synced, NodeError> {
        nobody()
    }

    fn recall(&mut self, _: &mut Owner, _: RepoId, _: &[crate::error::Range]) -> Result<(), NodeError> {
        nobody()
    }

    fn holders(&self, _: RepoId) -> Vec<Holder> {
        Vec::new()
    }

    fn fetch_artifact(&mut self, _: &mut Owner, _: RepoId, _: ArtifactId) -> Result<(), NodeError> {
        nobody()
    }

    fn haul_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        artifact: ArtifactId,
        _: &Haul,
    ) -> Result<Moved, NodeError> {
        if self.artifacts.contains_key(&artifact) { Ok(Moved::default()) } else { nobody() }
    }

    fn size_up(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        artifacts: &[ArtifactId],
    ) -> Result<Vec<Option<u64>>, NodeError> {
        Ok(artifacts.iter().map(|artifact| self.artifacts.contains_key(artifact).then_some(0)).collect())
    }

    fn check_quota(&mut self, _: RepoId, _: &[ArtifactId]) -> Result<(), NodeError> {
        Ok(())
    }

    fn quota(&mut self, _: Option<Option<u64>>) -> Result<(u64, Option<u64>), NodeError> {
        Ok((0, None))
    }

    fn announce(&mut self, _: &Load) {}

    fn sweep_artifacts(&mut self, owner: &mut Owner, _: bool) -> Result<Collected, NodeError> {
        let needed = artifact::gc::needed(owner)?;
        let unneeded =
            self.artifacts.keys().filter(|known| !needed.iter().any(|(_, needed)| needed == *known));
        Ok(Collected { unneeded: unneeded.map(ToString::to_string).collect(), ..Collected::default() })
    }

    fn weigh_artifacts(&mut self, _: &mut Owner, _: RepoId) -> Result<(Vec<Weight>, u64), NodeError> {
        Ok((Vec::new(), 0))
    }

    fn disown_damage(&mut self, _: &mut Owner, _: &Checked) -> Result<(), NodeError> {
        Ok(())
    }

    fn import_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        file: &Path,
        name: &str,
    ) -> Result<Imported, NodeError> {
        let content = fs::read(file).map_err(|error| NodeError::io("read", file, error))?;
        let artifact = ArtifactId(derive("test artifact", &[&content, name.as_bytes()]));
        let bytes = content.len() as u64;
        let known = self.artifacts.insert(artifact, content).is_some();
        Ok(Imported { artifact, bytes, stored_bytes: if known { 0 } else { bytes } })
    }

    fn append_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        base: Option<ArtifactId>,
        more: &More,
        name: &str,
    ) -> Result<Imported, NodeError> {
        let mut content = base.map_or(Vec::new(), |base| self.artifacts[&base].clone());
        let stored_bytes = content.len() as u64;
        match more {
            More::Nothing => {}
            More::File(path) => {
                content.extend(fs::read(path).map_err(|error| NodeError::io("read", path, error))?);
            }
            More::Rest(artifact, from) => content.extend(&self.artifacts[artifact][*from as usize..]),
        }
        let artifact = ArtifactId(derive("test artifact", &[&content, name.as_bytes()]));
        let bytes = content.len() as u64;
        self.artifacts.insert(artifact, content);
        Ok(Imported { artifact, bytes, stored_bytes: bytes - stored_bytes })
    }

    fn export_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        artifact: ArtifactId,
        out: &Path,
    ) -> Result<u64, NodeError> {
        fs::write(out, &self.artifacts[&artifact]).map_err(|error| NodeError::io("write", out, error))?;
        Ok(self.artifacts[&artifact].len() as u64)
    }

    fn holds_artifact(&mut self, _: &mut Owner, _: RepoId, artifact: ArtifactId) -> Result<bool, NodeError> {
        Ok(self.artifacts.contains_key(&artifact))
    }

    fn verify_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        artifact: ArtifactId,
        _: &mut Hashes,
    ) -> Result<Checked, NodeError> {
        let absent = || NodeError::NotFound { what: "artifact here", name: artifact.to_string() };
        let bytes = self.artifacts.get(&artifact).ok_or_else(absent)?.len() as u64;
        Ok(Checked { bytes, faults: Vec::new() })
    }

    fn whole_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        _: ArtifactId,
    ) -> Result<Option<Manifest>, NodeError> {
        Ok(None)
    }

    fn read_chunk(&mut self, _: &mut Owner, _: &Chunk) -> Result<Vec<u8>, NodeError> {
        nobody()
    }

    fn keep_artifact(
        &mut self,
        _: &mut Owner,
        _: RepoId,
        manifest: &Manifest,
    ) -> Result<Vec<ContentHash>, NodeError> {
        self.kept.push(manifest.artifact());
        let lacks = |chunk: &&Chunk| !self.chunks.contains(&chunk.hash);
        Ok(manifest.chunks.iter().filter(lacks).map(|chunk| chunk.hash).collect())
    }

    fn keep_chunk(&mut self, _: &mut Owner, bytes: Vec<u8>) -> Result<(), NodeError> {
        self.chunks.insert(ContentHash::of(&bytes));
        Ok(())
    }

    fn addresses(&self) -> Vec<String> {
        vec!["/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW".to_owned()]
    }

    fn peers(&self) -> Vec<peers::Peer> {
        Vec::new()
    }
}

/// A home in a temporary folder, and folders beside it.
struct World {
    dir: tempfile::TempDir,
    owner: Owner,
    network: Alone,
    repo: String,
}

impl World {
    /// A home with a project whose first worktree is `a`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner::open(Home::open(dir.path().join("home")).unwrap()).unwrap();
        let mut world = Self { dir, owner, network: Alone::default(), repo: String::new() };
        fs::create_dir(world.path("a")).unwrap();
        let args = init::Args { here: world.here("a"), ..init::Args::default() };
        world.repo = init::run(&mut world.owner, &args).unwrap().repo;
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn here(&self, name: &str) -> Here {
        Here { dir: self.path(name), key: None }
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn post(&mut self, at: &str) -> post::Answer {
        let args = post::Args { here: self.here(at), ..post::Args::default() };
        post::run(&mut self.owner, &args, &mut self.network).unwrap()
    }

    fn put(&mut self, at: &str, uris: &[&str]) -> put::Answer {
        let uris = uris.iter().map(ToString::to_string).collect();
        let args = put::Args { here: self.here(at), uris, ..put::Args::default() };
        put::run(&mut self.owner, &args, &mut self.network).unwrap()
    }

    fn try_get(&mut self, at: &str, uris: &[&str]) -> Result<get::Answer, NodeError> {
        let uris = uris.iter().map(ToString::to_string).collect();
        let args = get::Args { here: self.here(at), uris, ..get::Args::default() };
        get::run(&mut self.owner, &args, &mut self.network)
    }

    fn get(&mut self, at: &str, uris: &[&str]) -> get::Answer {
        self.try_get(at, uris).unwrap()
    }

    fn clone(&mut self, at: &str) -> clone::Answer {
        let link = format!("//{}", self.repo);
        let args = clone::Args { here: self.here(at), link, ..clone::Args::default() };
        clone::run(&mut self.owner, &args, &mut self.network).unwrap()
    }

    fn status(&mut self, at: &str) -> status::Answer {
        let args = status::Args { here: self.here(at) };
        status::run(&mut self.owner, &args).unwrap()
    }

    fn root(&mut self, at: &str, uri: Option<&str>) -> Result<root::Answer, NodeError> {
        let args = root::Args { here: self.here(at), uri: uri.map(str::to_owned), unlike: None };
        root::run(&mut self.owner, &args)
    }

    fn mark(&mut self, at: &str, name: &str) -> Result<mark::Answer, NodeError> {
        let args = mark::Args {
            here: self.here(at),
            name: name.into(),
            message: "m".into(),
            ..mark::Args::default()
        };
        mark::run(&mut self.owner, &args)
    }

    fn diff(&mut self, at: &str, uris: &[&str]) -> Vec<diff::FileDiff> {
        let uris = uris.iter().map(ToString::to_string).collect();
        let args = diff::Args { here: self.here(at), uris, paths: Vec::new() };
        diff::run(&mut self.owner, &args).unwrap().files
    }

    fn changed(&mut self, at: &str) -> Vec<(String, String)> {
        self.status(at).changed.into_iter().map(|changed| (changed.kind, changed.path)).collect()
    }
}

fn pair(kind: &str, path: &str) -> (String, String) {
    (kind.to_owned(), path.to_owned())
}

#[test]
fn what_is_written_is_posted_and_shown() {
    let mut world = World::new();
    assert_eq!(world.post("a").waypoint, None, "init posts nothing, and there is nothing to post");
    world.write("a/src/lib.rs", "fn one() {}\n");
    world.write("a/notes.txt", "one\n");
    assert_eq!(world.changed("a"), [pair("added", "notes.txt"), pair("added", "src/lib.rs")]);
    let posted = world.post("a");
    assert_eq!((posted.files, posted.seq), (2, Some(1)));
    let status = world.status("a");
    assert_eq!((&status.root, &status.frontier), (&posted.root, &posted.frontier));
    assert!(status.changed.is_empty());
    world.write("a/notes.txt", "two\n");
    fs::remove_dir_all(world.path("a/src")).unwrap();
    assert_eq!(world.changed("a"), [pair("modified", "notes.txt"), pair("removed", "src/lib.rs")]);
    let diff = world.diff("a", &[]);
    assert!(diff[0].text.as_ref().unwrap().contains("-one\n+two\n"), "{diff:?}");
    assert_eq!(world.post("a").files, 2);
    assert!(world.changed("a").is_empty());
    let args = log::Args { here: world.here("a"), ..log::Args::default() };
    let log = log::run(&mut world.owner, &args).unwrap();
    assert_eq!(log.waypoints.len(), 2);
    assert_eq!(log.waypoints[0].parents, [log.waypoints[1].waypoint.clone()]);
    assert_eq!(world.post("a").waypoint, None);
}

#[test]
fn only_the_named_paths_are_posted() {
    let mut world = World::new();
    world.write("a/x", "1");
    world.write("a/d/y", "1");
    let args = post::Args { here: world.here("a/d"), paths: vec!["y".into()], ..post::Args::default() };
    assert_eq!(post::run(&mut world.owner, &args, &mut world.network).unwrap().files, 1);
    assert_eq!(world.changed("a"), [pair("added", "x")]);
}

#[test]
fn two_worktrees_edit_one_function_and_meet() {
    let mut world = World::new();
    world.write("a/m.rs", "fn f() {\n    let x = 1;\n    let y = 2;\n}\n\nfn g() {}\n");
    world.post("a");
    world.clone("b");
    assert_eq!(world.read("b/m.rs"), world.read("a/m.rs"));
    world.write("a/m.rs", "fn f() {\n    let x = 10;\n    let y = 2;\n}\n\nfn g() {}\n");
    world.write("b/m.rs", "fn f() {\n    let x = 1;\n    let y = 20;\n}\n\nfn g() {}\n");
    world.write("b/new", "b\n");
    world.post("a");
    assert_eq!(world.status("b").incoming, 1);
    let b = world.put("b", &[]);
    assert!(b.posted.is_some());
    let a = world.put("a", &[]);
    assert_eq!((&a.root, &a.frontier), (&b.root, &b.frontier));
    assert_eq!(world.read("a/m.rs"), "fn f() {\n    let x = 10;\n    let y = 20;\n}\n\nfn g() {}\n");
    assert_eq!(world.read("a/new"), "b\n");
    assert_eq!(a.waypoint, None, "a merge that needs no word writes none");
    assert!(world.changed("a").is_empty() && world.changed("b").is_empty());
}

#[test]
fn an_overlap_is_listed_and_taken() {
    let mut world = World::new();
    world.write("a/t.txt", "one\ntwo\nthree\n");
    world.post("a");
    world.clone("b");
    world.write("a/t.txt", "one\nzwei\nthree\n");
    world.write("b/t.txt", "one\ndeux!\nthree\n");
    world.post("a");
    world.put("b", &[]);
    let mut args = overlaps::Args { here: world.here("b"), ..overlaps::Args::default() };
    let listed = overlaps::run(&mut world.owner, &args, &mut world.network).unwrap();
    assert_eq!(listed.overlaps.len(), 1);
    let sides = &listed.overlaps[0].alternatives;
    let other = sides.iter().position(|side| !world.read("b/t.txt").contains(side.text.trim())).unwrap();
    let wanted = sides[other].text.trim().to_owned();
    args.action = overlaps::Action::Take { index: 0, alternative: other };
    let taken = overlaps::run(&mut world.owner, &args, &mut world.network).unwrap();
    assert!(taken.waypoint.is_some() && taken.overlaps.is_empty());
    assert!(world.read("b/t.txt").contains(&wanted));
    args.action = overlaps::Action::Show { index: 7 };
    let missing = overlaps::run(&mut world.owner, &args, &mut world.network);
    assert!(matches!(missing, Err(NodeError::NotFound { .. })));
}

#[test]
fn what_would_be_overwritten_becomes_a_waypoint_first() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.post("a");
    let mark = world.mark("a", "v1").unwrap();
    assert!(matches!(world.mark("a", "v1"), Err(NodeError::Refused(_))));
    world.write("a/t", "2\n");
    world.post("a");
    world.write("a/t", "3\n");
    let got = world.get("a", &["?v1"]);
    assert_eq!((world.read("a/t").as_str(), &got.root), ("1\n", &mark.root));
    let saved = got.saved.unwrap();
    world.get("a", &[&format!("/t?{}", &saved[..16])]);
    assert_eq!(world.read("a/t"), "3\n");
    assert_eq!(world.changed("a"), [pair("modified", "t")]);
}

#[test]
fn a_file_in_the_way_of_a_clone_is_kept_and_merged() {
    let mut world = World::new();
    world.write("a/t", "theirs\n");
    world.write("a/d/x", "theirs\n");
    world.post("a");
    world.write("b/t", "mine\n");
    world.write("b/other", "mine\n");
    world.clone("b");
    let shown = world.read("b/t");
    assert!(shown.contains("mine") || world.status("b").overlaps > 0, "{shown}");
    assert_eq!(world.changed("b"), [pair("added", "other")]);
    let root = world.put("b", &[]).root;
    assert_eq!(world.put("a", &[]).root, root);
}

#[test]
fn branches_fork_and_merge() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.post("a");
    let args = come::Args { here: world.here("a"), branch: "feature".into(), from: None };
    let come = come::run(&mut world.owner, &args, &mut world.network).unwrap();
    assert!(come.waypoint.is_some());
    world.write("a/f", "feature\n");
    world.post("a");
    let feature = world.root("a", Some("?feature")).unwrap().root;
    world.get("a", &["?main"]);
    assert!(!world.path("a/f").exists());
    assert_eq!(world.status("a").branch, "main");
    let put = world.put("a", &["?feature"]);
    assert!(put.waypoint.is_some());
    assert_eq!(put.root, feature);
    assert_eq!(world.root("a", Some("?main")).unwrap().root, feature);
    assert_eq!(world.root("a", Some("main")).unwrap().root, feature, "a leading ? may be left out");
    assert!(matches!(world.root("a", Some("?nothing")), Err(NodeError::NotFound { .. })));
    let args = delete::Args { here: world.here("a"), target: "f".into(), message: None };
    assert!(delete::run(&mut world.owner, &args, &mut world.network).unwrap().waypoint.is_some());
    assert!(!world.path("a/f").exists() && world.changed("a").is_empty());
    assert_eq!(world.diff("a", &["?feature", "?main"])[0].kind, "removed");
}

#[test]
fn large_files_are_artifacts_and_come_back() {
    let mut world = World::new();
    let big = vec![7_u8; 5 << 20];
    let opaque: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    world.write("a/big", &big);
    world.write("a/opaque", &opaque);
    world.write("a/small", [0, 159, 146, 150]);
    world.post("a");
    assert!(world.changed("a").is_empty());
    world.clone("b");
    assert_eq!(fs::read(world.path("b/big")).unwrap(), big);
    assert_eq!(fs::read(world.path("b/opaque")).unwrap(), opaque);
    assert_eq!(fs::read(world.path("b/small")).unwrap(), [0, 159, 146, 150]);
    assert!(world.changed("b").is_empty());
    assert_eq!(world.network.artifacts.len(), 2);
    world.network.artifacts.clear();
    world.clone("c");
    assert!(!world.path("c/big").exists());
    assert!(world.changed("c").is_empty(), "what could not be had is no removal");
}

#[test]
fn artifacts_have_names() {
    let mut world = World::new();
    world.write("model.bin", vec![1_u8; 1000]);
    let file = world.path("model.bin");
    let ask = |world: &mut World, action| {
        let args = artifact::Args { here: world.here("a"), action };
        artifact::run(&mut world.owner, &args, &mut world.network)
    };
    let add = artifact::Action::Add { file, name: Some("model".into()) };
    let artifact::Answer::Added(added) = ask(&mut world, add).unwrap() else { panic!() };
    assert_eq!((added.bytes, added.stored_bytes), (1000, 1000));
    let out = world.path("out");
    let get = |word: &str| artifact::Action::Get {
        artifact: word.to_owned(),
        out: out.clone(),
        range: None,
        bytes_per_s: 0,
    };
    for word in ["model", &added.artifact, &added.artifact[..8]] {
        ask(&mut world, get(word)).unwrap();
        assert_eq!(fs::read(&out).unwrap(), [1; 1000]);
    }
    let artifact::Answer::Listed(listed) =
        ask(&mut world, artifact::Action::Ls { name: None, filter: None }).unwrap()
    else {
        panic!()
    };
    assert_eq!((listed.artifacts.len(), listed.artifacts[0].name.as_str()), (1, "model"));
    assert_eq!(listed.artifacts[0].version, Some(1));
    // The same bytes again are no new version; an alias stays with its bytes.
    let file = world.path("model.bin");
    let add = || artifact::Action::Add { file: file.clone(), name: Some("model".into()) };
    let artifact::Answer::Added(again) = ask(&mut world, add()).unwrap() else { panic!() };
    assert_eq!(again.stored_bytes, 0);
    let alias = |version: Option<&str>| artifact::Action::Alias {
        name: "model".into(),
        alias: "best".into(),
        version: version.map(str::to_owned),
    };
    ask(&mut world, alias(Some("latest"))).unwrap();
    world.write("model.bin", vec![2_u8; 1000]);
    ask(&mut world, add()).unwrap();
    let ls = artifact::Action::Ls { name: Some("model".into()), filter: None };
    let artifact::Answer::Listed(listed) = ask(&mut world, ls).unwrap() else { panic!() };
    let told: Vec<_> = listed.artifacts.iter().map(|item| (item.version, item.aliases.join(" "))).collect();
    assert_eq!(told, [(Some(1), "best".to_owned()), (Some(2), String::new())]);
    for (word, byte) in
        [("model", 2), ("model@latest", 2), ("model@v2", 2), ("model@v1", 1), ("model@best", 1)]
    {
        ask(&mut world, get(word)).unwrap();
        assert_eq!(fs::read(&out).unwrap(), [byte; 1000], "{word}");
    }
    assert!(matches!(ask(&mut world, alias(Some("v3"))), Err(NodeError::NotFound { .. })));
    ask(&mut world, alias(None)).unwrap();
    assert!(matches!(ask(&mut world, alias(None)), Err(NodeError::NotFound { .. })));
    let add = artifact::Action::Add { file: world.path("model.bin"), name: Some("model@v7".into()) };
    assert!(matches!(ask(&mut world, add), Err(NodeError::Usage(_))));
    assert!(world.changed("a").is_empty() && !world.path("a/model").exists());
}

#[test]
fn an_invitation_ends_in_a_grant_for_the_device_that_takes_it() {
    let mut world = World::new();
    let args = invite::Args { here: world.here("a"), expires: Some("1h".into()), ..invite::Args::default() };
    let invite = invite::run(&mut world.owner, &args, &mut world.network).unwrap().invite;
    assert!(invite.starts_with("cairn:"));
    let args = join::Args { here: world.here("b"), invite: invite.clone(), ..join::Args::default() };
    let joined = join::run(&mut world.owner, &args, &mut world.network);
    assert!(
        matches!(joined, Err(NodeError::Network(_))),
        "the peer hint is asked, and nobody is there: {joined:?}"
    );
    let args = join::Args { invite: invite[..invite.len() - 40].to_owned(), ..args };
    assert!(matches!(join::run(&mut world.owner, &args, &mut world.network), Err(NodeError::Usage(_))));
    assert!(!world.path("b").exists());
    let repo = RepoId::from_hex(&world.repo).unwrap();
    assert_eq!(world.owner.replica(repo).unwrap().grants().records().count(), 2);
}

#[test]
fn requests_and_answers_fit_through_a_socket() {
    let mut world = World::new();
    world.write("a/x", "1");
    let request = Request::Post(post::Args { here: world.here("a"), ..post::Args::default() });
    let sent = serde_json::to_string(&request).unwrap();
    let request: Request = serde_json::from_str(&sent).unwrap();
    let answer = request.run(&mut world.owner, &mut world.network).unwrap();
    let sent = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&sent).unwrap(), answer);
    let json: serde_json::Value = serde_json::from_str(&answer.json().unwrap()).unwrap();
    for field in ["waypoint", "feed", "seq", "frontier", "root", "files"] {
        assert!(json.get(field).is_some(), "{field}");
    }
    let show = show::Args { here: world.here("a"), uri: Some("/x".into()) };
    assert_eq!(show::run(&mut world.owner, &show).unwrap().file.unwrap().text.as_deref(), Some("1"));
    let show = show::Args { here: world.here("a"), uri: None };
    let show = show::run(&mut world.owner, &show).unwrap();
    assert_eq!(show.changes.len(), 1);
}

#[test]
fn a_blend_shows_both_and_follows_neither() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.post("a");
    for branch in ["one", "two"] {
        world.get("a", &["?main"]);
        let args = come::Args { here: world.here("a"), branch: branch.into(), from: None };
        come::run(&mut world.owner, &args, &mut world.network).unwrap();
        world.write(&format!("a/{branch}"), branch);
        world.post("a");
    }
    let got = world.get("a", &["?one", "?two"]);
    assert!(got.blended && world.path("a/one").exists() && world.path("a/two").exists());
    assert!(matches!(world.try_get("a", &["?none"]), Err(NodeError::NotFound { .. })));
}

#[test]
fn b6_names_modes_and_links_come_back_in_another_worktree() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mut world = World::new();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9 \n%41");
    fs::write(world.path("a").join(odd), b"\xef\xbb\xbfa\r\nb\0\xff").unwrap();
    world.write("a/run.sh", "#!/bin/sh\n");
    fs::set_permissions(world.path("a/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../nowhere/\u{e9}", world.path("a/link")).unwrap();
    fs::create_dir_all(world.path("a/empty/inner")).unwrap();
    let posted = world.post("a");
    assert!(world.changed("a").is_empty());
    assert_eq!(world.clone("b").root, posted.root);
    assert_eq!(fs::read(world.path("b").join(odd)).unwrap(), b"\xef\xbb\xbfa\r\nb\0\xff");
    assert_eq!(fs::metadata(world.path("b/run.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(fs::read_link(world.path("b/link")).unwrap(), Path::new("../nowhere/\u{e9}"));
    assert!(world.path("b/empty/inner").is_dir());
    assert!(world.changed("b").is_empty());
}

#[test]
fn e7_a_folder_where_a_file_was_is_posted_and_checked_out() {
    let mut world = World::new();
    world.write("a/x", "file\n");
    world.write("a/y/z", "file\n");
    world.post("a");
    world.clone("b");
    fs::remove_file(world.path("a/x")).unwrap();
    fs::remove_dir_all(world.path("a/y")).unwrap();
    world.write("a/x/inner", "now a folder\n");
    world.write("a/y", "now a file\n");
    let root = world.post("a").root;
    assert!(world.changed("a").is_empty(), "{:?}", world.changed("a"));
    assert_eq!(world.put("b", &[]).root, root);
    assert_eq!(
        (world.read("b/x/inner").as_str(), world.read("b/y").as_str()),
        ("now a folder\n", "now a file\n")
    );
    assert!(world.changed("b").is_empty());
}

#[test]
fn a_checkout_that_was_cut_off_is_ended_by_the_next_verb() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.write("a/u", "1\n");
    world.post("a");
    world.clone("b");
    world.write("a/t", "2\n");
    world.write("a/u", "2\n");
    let posted = world.post("a");
    // As a crash leaves it: half of the files are written, and the link says where it was going.
    let mut site = Site::open(&world.owner, &world.here("b")).unwrap();
    let frontier = posted.frontier.iter().filter_map(|id| cairn_crdt::id::WaypointId::from_hex(id)).collect();
    let branch = site.branch().to_owned();
    site.worktree.link.underway = Some(crate::worktree::Stand { frontier, branch });
    site.worktree.save().unwrap();
    world.write("b/t", "2\n");
    assert!(world.changed("b").is_empty());
    assert_eq!(world.post("b").waypoint, None, "half a checkout is nobody's edit");
    assert_eq!((world.read("b/u").as_str(), world.status("b").root), ("2\n", posted.root));
}
