//! What happens to the three nodes, and what must be true afterwards.

use super::node::{Node, number, text};
use super::table::Table;
use super::texts::{
    FOLDER, FORGOTTEN, GREET, NEW_NAME, OLD_NAME, PICTURE, ROAD, SHELTER, TEXTS, WANDER, picture,
};
use super::tree;
use crate::error::{DAMAGED, Failure, NETWORK};
use crate::output::{count, short, size};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Nodes that hear of a change agree within this time, or the demo has failed.
const AGREE_MAX: Duration = Duration::from_secs(90);
/// Bytes of the artifact.
const ARTIFACT_BYTES: usize = 64 << 20;

/// Three nodes and the tree that they share.
pub(super) struct Story {
    place: PathBuf,
    source: PathBuf,
    ana: Node,
    ben: Node,
    cleo: Node,
}

type Told = Result<String, Failure>;

impl Story {
    /// Sets the stage in `place`; `source` is the tree to import.
    pub(super) fn begin(place: &Path, source: PathBuf) -> Result<Self, Failure> {
        let node = |name| Node::new(name, place);
        let (ana, ben, cleo) = (node("ana"), node("ben"), node("cleo"));
        Ok(Self { place: place.to_path_buf(), source, ana, ben, cleo })
    }

    /// Plays it from the first step to the last; stops at the first thing that is not as it must be.
    pub(super) fn play(&mut self, table: &mut Table) -> Result<(), Failure> {
        table.step("ana copies the tree and founds a repo", || self.found())?;
        table.step("ana posts it", || self.import())?;
        table.step("ana serves; ben and cleo join by invitation", || self.gather())?;
        table.step("all three stand on one root", || self.agree())?;
        table.step("cleo is cut off", || self.cleo.stop().map(|()| String::new()))?;
        table.step("ana edits, moves, deletes, renames", || self.ana_edits())?;
        table.step("ben hears of it, and edits another function", || self.ben_edits())?;
        table.step("cleo, still alone, edits the same places", || self.cleo_edits())?;
        table.step("cleo comes back; all roots are equal", || self.rejoin())?;
        table.step("every edit is there", || self.nothing_lost())?;
        table.step("where edits met is listed, the same everywhere", || self.overlaps())?;
        table.step("ben's node is killed (-9) while ana posts", || self.kill())?;
        table.step("ben's node restarts and catches up", || self.restart())?;
        table.step("ana marks; ben goes on; cleo restores the mark", || self.mark())?;
        table.step("ana adds a 64 MiB artifact, cleo fetches it", || self.artifact())?;
        table.step("every byte of every store is verified", || self.verify())?;
        table.step("the nodes stop", || self.stop())
    }

    fn nodes(&self) -> [&Node; 3] {
        [&self.ana, &self.ben, &self.cleo]
    }

    fn found(&mut self) -> Told {
        let (files, bytes) = tree::copy(&self.source, &self.ana.tree)?;
        fs::create_dir_all(self.ana.tree.join(FOLDER))?;
        for file in &TEXTS {
            fs::write(self.ana.tree.join(file.path), file.text)?;
        }
        fs::write(self.ana.tree.join(PICTURE), picture(0))?;
        let repo = self.ana.ask(&["init", ".", "--project", "@ana/demo"])?;
        Ok(format!("{}, {}; repo {}", count(files, "file"), size(bytes), short(&text(&repo, "repo"))))
    }

    fn import(&mut self) -> Told {
        let post = self.ana.ask(&["post", "-m", "import"])?;
        Ok(format!("{}, root {}", count(number(&post, "files"), "file"), short(&text(&post, "root"))))
    }

    fn gather(&mut self) -> Told {
        self.ana.serve()?;
        let peer = self.ana.address.clone().unwrap_or_default();
        for guest in [&mut self.ben, &mut self.cleo] {
            let invite = text(&self.ana.ask(&["invite", "--role", "write"])?, "invite");
            let tree = guest.tree.to_string_lossy().into_owned();
            guest.ask(&["join", &invite, "--peer", &peer, &tree])?;
            guest.serve()?;
        }
        Ok(String::new())
    }

    /// Waits until the stores agree on the branch, brings the worktrees there, and compares every byte.
    fn agree(&self) -> Told {
        self.stores_agree()?;
        for node in self.nodes() {
            node.ask(&["put"])?;
        }
        self.stores_agree()?;
        let roots = self.nodes().map(|node| node.ask(&["root"]).map(|answer| text(&answer, "root")));
        let [ana, ben, cleo] = roots;
        let (ana, ben, cleo) = (ana?, ben?, cleo?);
        if ana != ben || ben != cleo {
            return Err(broken(format!("the worktrees stand on roots {ana}, {ben} and {cleo}")));
        }
        let files = tree::compare(&self.ana.tree, &self.ben.tree)?;
        tree::compare(&self.ben.tree, &self.cleo.tree)?;
        Ok(format!("{} equal byte by byte, root {}", count(files, "file"), short(&ana)))
    }

    fn stores_agree(&self) -> Result<(), Failure> {
        let patience = Instant::now() + AGREE_MAX;
        loop {
            let mut states = Vec::new();
            for node in self.nodes() {
                states.push(branch(node)?);
            }
            if states.windows(2).all(|pair| pair.first() == pair.last()) {
                return Ok(());
            }
            if Instant::now() > patience {
                return Err(Failure::new(
                    NETWORK,
                    "E_DEMO",
                    format!("the stores still differ: {states:?}"),
                    "run with --keep",
                ));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn ana_edits(&mut self) -> Told {
        let tree = &self.ana.tree;
        edit(tree, GREET.path, &[("\"hello\"", "\"good morning\""), ("\"bye\"", "\"farewell\"")])?;
        edit(tree, ROAD.path, &[(WANDER, "")])?;
        fs::write(tree.join(SHELTER.path), format!("{}{WANDER}", SHELTER.text))?;
        fs::remove_file(tree.join(FORGOTTEN.path))?;
        fs::rename(tree.join(OLD_NAME.path), tree.join(NEW_NAME))?;
        fs::write(tree.join(PICTURE), picture(0x0f))?;
        posted(&self.ana, "ana's morning")
    }

    fn ben_edits(&mut self) -> Told {
        let patience = Instant::now() + AGREE_MAX;
        while branch(&self.ana)? != branch(&self.ben)? {
            if Instant::now() > patience {
                return Err(Failure::new(
                    NETWORK,
                    "E_DEMO",
                    "ben heard nothing of ana's post",
                    "run with --keep",
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.ben.ask(&["put"])?;
        edit(
            &self.ben.tree,
            GREET.path,
            &[("guests.len()", "guests.iter().filter(|guest| !guest.is_empty()).count()")],
        )?;
        posted(&self.ben, "ben counts")
    }

    fn cleo_edits(&mut self) -> Told {
        let tree = &self.cleo.tree;
        let first = ("guests.first().copied()", "guests.iter().copied().min()");
        edit(tree, GREET.path, &[("\"!\"", "\"?!\""), ("\"bye\"", "\"so long\""), first])?;
        edit(tree, ROAD.path, &[("walked += 1;", "walked += 2;")])?;
        edit(tree, FORGOTTEN.path, &[("    number\n", "    number + 1\n")])?;
        edit(tree, OLD_NAME.path, &[("left + right", "left.wrapping_add(right)")])?;
        fs::write(tree.join(PICTURE), picture(0xf0))?;
        posted(&self.cleo, "cleo, offline")
    }

    fn rejoin(&mut self) -> Told {
        self.cleo.serve()?;
        self.agree()
    }

    /// What must be in the files now, whoever's tree one looks at.
    fn nothing_lost(&self) -> Told {
        let read = |path: &str| fs::read_to_string(self.ben.tree.join(path)).unwrap_or_default();
        let (greet, road, shelter, forgotten, new) =
            (read(GREET.path), read(ROAD.path), read(SHELTER.path), read(FORGOTTEN.path), read(NEW_NAME));
        let facts = [
            ("one function, edited twice", greet.contains("\"good morning\"") && greet.contains("\"?!\"")),
            (
                "different functions",
                greet.contains("is_empty()).count()") && greet.contains("copied().min()"),
            ),
            ("the same word: one of both", greet.contains("\"farewell\"") != greet.contains("\"so long\"")),
            ("move + edit", shelter.contains("walked += 2;") && !road.contains("walked +=")),
            ("delete + edit", forgotten.contains("number + 1")),
            ("rename + edit", new.contains("wrapping_add") && !self.ben.tree.join(OLD_NAME.path).exists()),
            ("binary: one of both, whole", self.picture_is_whole()),
        ];
        match facts.iter().find(|(_, holds)| !holds) {
            None => Ok(facts.map(|(name, _)| name).join("; ")),
            Some((name, _)) => Err(broken(format!("{name}: not as it must be"))),
        }
    }

    fn picture_is_whole(&self) -> bool {
        let bytes = fs::read(self.ben.tree.join(PICTURE)).unwrap_or_default();
        bytes == picture(0x0f) || bytes == picture(0xf0)
    }

    fn overlaps(&self) -> Told {
        let mut lists = Vec::new();
        for node in self.nodes() {
            lists.push(node.ask(&["overlaps"])?.get("overlaps").cloned().unwrap_or_default());
        }
        if lists.windows(2).any(|pair| pair.first() != pair.last()) {
            return Err(broken("the nodes list different overlaps".to_owned()));
        }
        let list = lists.first().and_then(Value::as_array).cloned().unwrap_or_default();
        for path in [GREET.path, FORGOTTEN.path, PICTURE] {
            if !list.iter().any(|overlap| text(overlap, "path") == path) {
                return Err(broken(format!("no overlap is listed in {path}")));
            }
        }
        let name = |overlap: &Value| format!("{} {}", text(overlap, "kind"), text(overlap, "path"));
        Ok(list.iter().map(name).collect::<Vec<_>>().join("; "))
    }

    fn kill(&mut self) -> Told {
        for number in 0..4 {
            if number == 2 {
                self.ben.kill()?;
            }
            fs::write(
                self.ana.tree.join(FOLDER).join(format!("note-{number}.txt")),
                format!("note {number}\n"),
            )?;
            posted(&self.ana, "a note")?;
        }
        Ok("2 posts before, 2 after".to_owned())
    }

    fn restart(&mut self) -> Told {
        self.ben.serve()?;
        self.agree()
    }

    fn mark(&mut self) -> Told {
        let mark = self.ana.ask(&["mark", "demo-1", "-m", "What the demo made"])?;
        edit(&self.ben.tree, GREET.path, &[("Names the first guest", "Names the foremost guest")])?;
        fs::write(self.ben.tree.join(FOLDER).join("later.txt"), "after the mark\n")?;
        posted(&self.ben, "after the mark")?;
        self.stores_agree()?;
        self.cleo.ask(&["put"])?;
        if !self.cleo.tree.join(FOLDER).join("later.txt").exists() {
            return Err(broken("ben's edit did not reach cleo's worktree".to_owned()));
        }
        patiently(|| self.cleo.ask(&["get", "?demo-1"]))?;
        let files = tree::compare(&self.ana.tree, &self.cleo.tree)?;
        Ok(format!("{} equal byte by byte, root {}", count(files, "file"), short(&text(&mark, "root"))))
    }

    fn artifact(&mut self) -> Told {
        let (made, got) = (self.place.join("artifact.bin"), self.place.join("fetched.bin"));
        write_noise(&made)?;
        let added = self.ana.ask(&["artifact", "add", &made.to_string_lossy(), "--name", "noise"])?;
        let hash = text(&added, "artifact");
        patiently(|| self.cleo.ask(&["artifact", "get", &hash, "-o", &got.to_string_lossy()]))?;
        if !tree::equal(&made, &got)? {
            return Err(broken("the fetched artifact has other bytes".to_owned()));
        }
        Ok(format!("{} equal, artifact {}", size(number(&added, "bytes")), short(&hash)))
    }

    fn verify(&self) -> Told {
        let mut notes = Vec::new();
        for node in self.nodes() {
            let report = node.ask(&["verify", "--deep"])?;
            if report.get("ok") != Some(&Value::Bool(true)) {
                return Err(broken(format!("{}: {report}", node.name)));
            }
            notes.push(format!("{} {}", node.name, size(number(&report, "bytes"))));
        }
        Ok(notes.join(", "))
    }

    fn stop(&mut self) -> Told {
        for node in [&mut self.ana, &mut self.ben, &mut self.cleo] {
            node.stop()?;
        }
        Ok(String::new())
    }
}

pub(super) fn broken(message: String) -> Failure {
    Failure::new(DAMAGED, "E_DEMO", message, "this is a bug: run with --keep and report it")
}

/// What a node's store holds of the branch: root and frontier.
fn branch(node: &Node) -> Result<(String, Value), Failure> {
    let answer = node.ask(&["root", "?main"])?;
    Ok((text(&answer, "root"), answer.get("frontier").cloned().unwrap_or_default()))
}

fn posted(node: &Node, message: &str) -> Told {
    let post = node.ask(&["post", "-m", message])?;
    if post.get("waypoint").is_none_or(Value::is_null) {
        return Err(broken(format!("{} had edited, and post found nothing", node.name)));
    }
    Ok(format!("{}, waypoint {}", count(number(&post, "files"), "file"), short(&text(&post, "waypoint"))))
}

/// Replaces words in a file; each must be there.
fn edit(tree: &Path, path: &str, changes: &[(&str, &str)]) -> Result<(), Failure> {
    let path = tree.join(path);
    let mut text = fs::read_to_string(&path)?;
    for (old, new) in changes {
        if !text.contains(old) {
            return Err(broken(format!("{} lacks {old:?}", path.display())));
        }
        text = text.replacen(old, new, 1);
    }
    Ok(fs::write(&path, text)?)
}

/// Tries again while the answer is "not here (yet)": gossip needs a moment.
fn patiently(ask: impl Fn() -> Result<Value, Failure>) -> Result<Value, Failure> {
    let patience = Instant::now() + AGREE_MAX;
    loop {
        match ask() {
            Err(failure)
                if matches!(failure.exit, crate::error::NOT_FOUND | NETWORK) && Instant::now() < patience =>
            {
                thread::sleep(Duration::from_millis(200));
            }
            done => return done,
        }
    }
}

/// Bytes that no compression shortens, the same in every run: a xorshift generator.
fn write_noise(path: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..ARTIFACT_BYTES / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    Ok(out.flush()?)
}
