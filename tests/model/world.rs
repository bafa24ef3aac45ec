//! Two homes, three worktrees, an editor in each, and what happens to them.

use super::desk::Desk;
use super::ledger::Ledger;
use super::words::{IGNORED, path};
use crate::harness::{Chance, Node, Out, PATIENCE, Stage, told};
use crate::watch::{Watch, log_path};
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// How many lines a failure prints.
const LINES_TOLD: usize = 60;
/// After so many steps the stores are asked for what they owe.
const STEPS_BETWEEN: u64 = 200;
/// Of each house, the desk at which it is served.
const SERVED: [usize; 2] = [0, 2];

/// Everything of one run.
pub(super) struct World {
    seed: u64,
    started: Instant,
    pub(super) chance: Chance,
    pub(super) desks: Vec<Desk>,
    ledgers: Vec<Ledger>,
    watch: Option<Watch>,
    watches: bool,
    stamp: u64,
    step: u64,
    pub(super) branches: BTreeSet<String>,
    pub(super) marks: BTreeSet<String>,
    lines: VecDeque<String>,
    kills: u64,
    races: u64,
    taken: u64,
    /// Last, so that the folders go after all who use them.
    pub(super) stage: Stage,
}

impl World {
    pub(super) fn new(seed: u64, watches: bool) -> Self {
        let stage = Stage::new();
        let first =
            [(".gitignore", IGNORED.as_bytes()), ("a.rs", b"fn main() {}\n"), ("notes.txt", b"one\n")];
        let mut ana = stage.founder("ana", &first);
        ana.serve();
        let second = |name: &str| Node::new(name, ana.home.clone(), stage.path().join(name));
        let (desk, proof) = (second("desk"), second("ana-proof"));
        let invite =
            ana.ok(&["invite", "--role", "write", "--uses", "9"])["invite"].as_str().unwrap().to_owned();
        for node in [&desk, &proof] {
            node.ok(&["join", &invite, "."]);
        }
        let ben = stage.node("ben");
        ben.join(&ana, "write");
        let ben_proof = Node::new("ben-proof", ben.home.clone(), stage.path().join("ben-proof"));
        ben_proof.join(&ana, "write");
        let desks = vec![Desk::new(ana, 0), Desk::new(desk, 0), Desk::new(ben, 1)];
        let ledgers = vec![Ledger::new(proof), Ledger::new(ben_proof)];
        let mut world = Self {
            seed,
            started: Instant::now(),
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            desks,
            ledgers,
            watch: None,
            watches,
            stamp: 0,
            step: 0,
            branches: BTreeSet::from(["main".to_owned()]),
            marks: BTreeSet::new(),
            lines: VecDeque::new(),
            kills: 0,
            races: 0,
            taken: 0,
            stage,
        };
        world.start_watch();
        world
    }

    /// Goes on for so many steps, and then asks for everything.
    pub(super) fn run(&mut self, steps: u64) {
        for step in 1..=steps {
            self.step = step;
            self.one_step();
            if step % STEPS_BETWEEN == 0 {
                self.checkpoint();
                self.print_figures();
            }
        }
        self.checkpoint();
        for desk in 0..self.desks.len() {
            let report = self.desks[desk].node.ok(&["verify", "--deep"]);
            assert_eq!(report["ok"], true, "{report}");
        }
        self.ledgers.iter_mut().for_each(Ledger::audit);
        self.print_figures();
    }

    fn print_figures(&self) {
        let (walked, settled) = self
            .ledgers
            .iter()
            .fold((0, 0), |(walked, settled), ledger| (walked + ledger.walked, settled + ledger.settled));
        let waypoints: usize = self.ledgers.iter().map(|ledger| ledger.waypoints().len()).sum();
        println!(
            "seed {}, after {} s: {} steps, {} saves, {} verbs raced, {} kills, {} states taken, {settled} found late, \
             {waypoints} waypoints, {walked} checked out",
            self.seed,
            self.started.elapsed().as_secs(),
            self.step,
            self.stamp,
            self.races,
            self.kills,
            self.taken
        );
    }

    pub(super) fn note(&mut self, line: String) {
        if std::env::var_os("CAIRN_TRACE").is_some() {
            eprintln!("{:6} {line}", self.step);
        }
        self.lines.push_back(format!("{:6} {line}", self.step));
        if self.lines.len() > LINES_TOLD {
            self.lines.pop_front();
        }
    }

    fn one_step(&mut self) {
        let desk = self.chance.next(self.desks.len() as u64) as usize;
        for _ in 0..self.chance.next(4) {
            self.save(desk, !self.is_watched(desk));
        }
        if self.is_watched(desk) && self.chance.next(3) > 0 {
            self.settle();
        } else if self.chance.next(25) == 0 {
            self.kill_or_start(desk);
        } else {
            self.verb(desk);
        }
        self.collect("in between");
    }

    fn is_watched(&self, desk: usize) -> bool {
        self.watches && desk == 0
    }

    fn save(&mut self, desk: usize, is_alone: bool) {
        self.stamp += 1;
        let line = self.desks[desk].save(&mut self.chance, self.stamp, is_alone);
        self.note(line);
    }

    /// Runs a verb to its end, or until it is killed; meanwhile the editor may save.
    pub(super) fn act(&mut self, desk: usize, words: &[&str]) -> Out {
        self.note(format!("{}: {words:?}", self.desks[desk].node.name));
        let mut command = self.desks[desk].node.command();
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let saves = if self.chance.next(3) == 0 { 1 + self.chance.next(5) } else { 0 };
        self.races += saves.min(1);
        for _ in 0..saves {
            thread::sleep(Duration::from_micros(self.chance.next(15_000)));
            self.save(desk, false);
        }
        let kill = self.chance.next(8) == 0;
        if kill {
            thread::sleep(Duration::from_micros(self.chance.next(40_000)));
            let _ = child.kill();
        }
        let out = told(child.wait_with_output().unwrap());
        let was_killed = out.code == -1;
        self.kills += u64::from(was_killed);
        self.note(format!("  -> {} {}", out.code, out.json["message"].as_str().unwrap_or_default()));
        assert!(kill || matches!(out.code, 0 | 1 | 3 | 4 | 5), "{words:?}: {out:#?}");
        self.hear(self.desks[desk].house, &out);
        if was_killed {
            // A `serve` that was asked goes on with it: the next answer comes after.
            self.desks[desk].node.run(&["status"]);
        }
        self.collect(&words.join(" "));
        out
    }

    /// Learns of the waypoints that an answer names.
    fn hear(&mut self, house: usize, out: &Out) {
        for field in ["waypoint", "saved", "posted"] {
            if let Some(waypoint) = out.json[field].as_str() {
                self.ledgers[house].hear([waypoint]);
            }
        }
        for kept in out.json["kept"].as_array().into_iter().flatten() {
            self.ledgers[house].hear(kept.as_str());
        }
    }

    /// What verbs took from any worktree is owed from now on.
    fn collect(&mut self, what: &str) {
        for desk in &mut self.desks {
            desk.stood()
                .into_iter()
                .for_each(|heads| self.ledgers[desk.house].hear(heads.iter().map(String::as_str)));
            desk.look();
            for (path, state) in desk.taken() {
                self.taken += 1;
                let (step, name) = (self.step, desk.node.name.clone());
                let why = || {
                    format!(
                        "step {step}, {name}: {} {:?} {}, by {what}",
                        path.display(),
                        state.kind,
                        state.short()
                    )
                };
                self.ledgers[desk.house].owe(state, why);
            }
        }
    }

    /// Ends a process as a power cut would, or starts one again.
    fn kill_or_start(&mut self, desk: usize) {
        let at = SERVED[self.desks[desk].house];
        if self.watches && self.chance.next(2) == 0 {
            self.note("kill watch".to_owned());
            self.watch = None;
            self.kills += 1;
            self.desks[0].node.run(&["status"]);
            self.collect("a watch that was killed");
            self.start_watch();
        } else if self.desks[at].node.is_serving() {
            self.note(format!("kill serve of {}", self.desks[at].node.name));
            self.desks[at].node.kill();
            self.kills += 1;
        } else {
            self.note(format!("start serve of {}", self.desks[at].node.name));
            self.desks[at].node.serve();
        }
    }

    fn start_watch(&mut self) {
        if self.watches {
            self.watch = Some(Watch::start(&self.desks[0].node));
        }
    }

    /// Waits until `watch` has told that it posted all that lies in its worktree; all of it is owed then.
    fn settle(&mut self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let watch = self.watch.as_mut().unwrap();
            let log = fs::read_to_string(log_path(&self.desks[0].node)).unwrap_or_default();
            assert!(watch.is_running(), "watch ended by itself: {:?} {log}", watch.last());
            let told = watch.told();
            let status = self.desks[0].node.ok(&["status"]);
            if status["changed"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            while self.watch.as_ref().unwrap().told() == told {
                assert!(Instant::now() < patience, "watch did not tell of {status}: {log}");
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.note("watch has told".to_owned());
        self.collect("watch");
        let is_owed = |path: &std::path::Path| path.extension().is_none_or(|end| end != "ign");
        let lies: Vec<_> = self.desks[0]
            .seen()
            .iter()
            .filter(|(path, _)| is_owed(path))
            .map(|(path, state)| (path.clone(), *state))
            .collect();
        for (path, state) in lies {
            let step = self.step;
            self.ledgers[0]
                .owe(state, || format!("step {step}: {} lay there when watch had told", path.display()));
        }
    }

    /// A mark may name another version now.
    pub(super) fn marked(&mut self, name: &str) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.forget_mark(name));
    }

    /// Asks the stores for all that they owe.
    pub(super) fn checkpoint(&mut self) {
        if let Some(watch) = &self.watch {
            let told = watch.stood();
            told.iter().for_each(|heads| self.ledgers[0].hear(heads.iter().map(String::as_str)));
        }
        self.collect("in between");
        // All of them before anybody is asked: whoever lacks a version asks the others for it.
        for served in SERVED {
            if !self.desks[served].node.is_serving() {
                self.desks[served].node.serve();
            }
        }
        for house in 0..self.ledgers.len() {
            let mine = |desk: &&Desk| desk.house == house;
            let on_disk: BTreeSet<_> =
                self.desks.iter().filter(mine).flat_map(|desk| desk.seen().values().copied()).collect();
            let ledger = &mut self.ledgers[house];
            for name in &self.branches {
                ledger.learn(&format!("?{name}"));
            }
            self.marks.iter().for_each(|name| ledger.learn_mark(name));
            ledger.learn_held();
            let lost = ledger.settle(&on_disk);
            assert!(lost.is_empty(), "taken, and no version shows it: {lost:#?}");
        }
        self.note("checkpoint".to_owned());
    }

    /// A waypoint that somebody may ask for.
    pub(super) fn waypoint(&mut self, desk: usize) -> Option<String> {
        let known = self.ledgers[self.desks[desk].house].waypoints();
        let from = hex_digit(self.chance.next(16), self.chance.next(16));
        known.range(from..).next().or(known.first()).cloned()
    }

    /// A path in words; those that are no UTF-8 have none.
    pub(super) fn path(&mut self) -> String {
        loop {
            if let Some(path) = path(&mut self.chance).to_str() {
                return path.to_owned();
            }
        }
    }

    /// Forgets all that may be forgotten; what branches and marks show stays.
    pub(super) fn forget(&mut self, desk: usize) {
        self.checkpoint();
        let house = self.desks[desk].house;
        let kept = self.ledgers[house].named(self.branches.iter().chain(&self.marks));
        let out = self.act(desk, &["fade", "--keep", "0s", "--alone"]);
        if out.code != 4 {
            self.checkpoint();
            self.ledgers[house].forgot(&kept);
        }
    }
}

fn hex_digit(high: u64, low: u64) -> String {
    format!("{high:x}{low:x}")
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
            if let Some(to) = std::env::var_os("CAIRN_KEEP") {
                crate::harness::copy(self.stage.path(), std::path::Path::new(&to));
            }
            eprintln!("{}\nCAIRN_SEED={} makes the same choices again", lines.join("\n"), self.seed);
        }
    }
}
