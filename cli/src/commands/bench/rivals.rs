//! The programs that merge: this one, and those it is measured against when they are installed.
//!
//! Rivals are only ever run as processes. So is cairn, wherever the command takes as many sides; more sides, and
//! swapped ones, are merged by the library, which must give the same bytes.

use super::stage::Stage;
use crate::error::{BUG, Failure};
use cairn_node::measure;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// A program that merges.
#[derive(Debug, Clone)]
pub(super) struct Merger {
    tool: Tool,
    program: PathBuf,
    /// What people call it, with its version.
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Cairn,
    Git,
    Mergiraf,
}

/// What a program made of a case.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// The merged bytes.
    pub(super) bytes: Vec<u8>,
    /// The bytes for swapped sides.
    pub(super) swapped: Vec<u8>,
    /// Whether it said that edits met.
    pub(super) told: bool,
    /// How long the process ran, where one process did it all.
    pub(super) ms: Option<f64>,
}

impl Merger {
    /// cairn, then those of its rivals that are on the path.
    pub(super) fn all() -> Result<Vec<Self>, Failure> {
        let cairn = Self { tool: Tool::Cairn, program: std::env::current_exe()?, name: "cairn".into() };
        let rivals = [(Tool::Git, "git"), (Tool::Mergiraf, "mergiraf")];
        let found = rivals.into_iter().filter_map(|(tool, program)| {
            let version = Command::new(program).arg("--version").output().ok()?;
            let version = String::from_utf8_lossy(&version.stdout).into_owned();
            let name = format!("{program} {}", version.split_whitespace().last()?);
            Some(Self { tool, program: program.into(), name })
        });
        Ok(std::iter::once(cairn).chain(found).collect())
    }

    /// Whether it is the structured merger that speed is measured against.
    pub(super) fn is_structured(&self) -> bool {
        self.tool == Tool::Mergiraf
    }

    /// Whether git says that these sides met; `None` if it cannot merge them.
    pub(super) fn git_conflicts(
        stage: &Stage,
        base: &[u8],
        sides: &[Vec<u8>],
    ) -> Result<Option<bool>, Failure> {
        let git = Self { tool: Tool::Git, program: "git".into(), name: String::new() };
        let sides: Vec<&[u8]> = sides.iter().map(Vec::as_slice).collect();
        let (_, told, _) = match git.in_turn(stage, Path::new("file"), base, &sides) {
            Ok(merged) => merged,
            Err(failure) if failure.exit == BUG => return Ok(None),
            Err(failure) => return Err(failure),
        };
        Ok(Some(told))
    }

    /// Merges, and merges again with the sides swapped.
    pub(super) fn merge(
        &self,
        stage: &Stage,
        name: &Path,
        base: &[u8],
        sides: &[Vec<u8>],
    ) -> Result<Outcome, Failure> {
        let there: Vec<&[u8]> = sides.iter().map(Vec::as_slice).collect();
        let back: Vec<&[u8]> = there.iter().rev().copied().collect();
        let (bytes, told, ms) = match (self.tool, there.len()) {
            (Tool::Cairn, 3..) => self.at_once(name, base, &there)?,
            _ => self.in_turn(stage, name, base, &there)?,
        };
        let (swapped, _, _) = match self.tool {
            Tool::Cairn => self.at_once(name, base, &back)?,
            _ => self.in_turn(stage, name, base, &back)?,
        };
        Ok(Outcome { bytes, swapped, told, ms: ms.filter(|_| sides.len() == 2) })
    }

    fn at_once(&self, name: &Path, base: &[u8], sides: &[&[u8]]) -> Result<Merged, Failure> {
        let merged = measure::merged(name.as_os_str().as_encoded_bytes(), base, sides)?;
        Ok((merged.bytes, merged.overlaps > 0, None))
    }

    /// Merges one side after the other into the first.
    fn in_turn(&self, stage: &Stage, name: &Path, base: &[u8], sides: &[&[u8]]) -> Result<Merged, Failure> {
        let [first, others @ ..] = sides else { return Ok((base.to_vec(), false, None)) };
        stage.write("base", base)?;
        stage.write("left", first)?;
        let (mut told_any, mut ms) = (false, 0.0);
        let mut bytes = first.to_vec();
        for other in others {
            stage.write("right", other)?;
            let begun = Instant::now();
            let output = self.run(stage, name)?;
            ms += begun.elapsed().as_secs_f64() * 1000.0;
            let told;
            (bytes, told) = self.read(stage, output)?;
            told_any |= told;
            stage.write("left", &bytes)?;
        }
        Ok((bytes, told_any, Some(ms)))
    }

    fn run(&self, stage: &Stage, name: &Path) -> Result<Output, Failure> {
        let [base, left, right, out] = ["base", "left", "right", "out"].map(|file| stage.path(file));
        let mut command = Command::new(&self.program);
        match self.tool {
            Tool::Cairn => command
                .arg("merge-file")
                .args([&base, &left, &right])
                .arg("-o")
                .arg(out)
                .arg("--path")
                .arg(name),
            Tool::Git => command.args(["merge-file", "-p"]).args([&left, &base, &right]),
            Tool::Mergiraf => command.args(["merge", "-p"]).arg(name).args([&base, &left, &right]),
        };
        Ok(command.current_dir(stage.dir()).output()?)
    }

    /// What a process made, and whether it said that edits met.
    fn read(&self, stage: &Stage, output: Output) -> Result<(Vec<u8>, bool), Failure> {
        let told = match (self.tool, output.status.code()) {
            (_, Some(0)) => false,
            (Tool::Cairn | Tool::Mergiraf, Some(1)) | (Tool::Git, Some(1..=127)) => true,
            (_, code) => return Err(self.failed(code, &output.stderr)),
        };
        match self.tool {
            Tool::Cairn => Ok((stage.read("out")?, told)),
            _ => Ok((output.stdout, told)),
        }
    }

    fn failed(&self, code: Option<i32>, words: &[u8]) -> Failure {
        let ended = code.map_or("was killed".to_owned(), |code| format!("ended with {code}"));
        let words = String::from_utf8_lossy(words);
        let message = format!("{} {ended}: {}", self.name, words.trim());
        Failure::new(BUG, "E_BENCH", message, "run it on that case by hand (--keep leaves cases behind)")
    }
}

/// Merged bytes, whether edits met, and how long it took.
type Merged = (Vec<u8>, bool, Option<f64>);
