//! Walks folders of real files: cuts each, writes it, edits it, reads it back.
//!
//! `cargo run --release --example roundtrip FOLDER…` prints for each language how many files there
//! were, how many a grammar cut, and how long the slowest took. It ends with an error if a
//! single byte is another one.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files and a clock")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cairn_crdt::id::{ProjectId, WaypointId};
use cairn_crdt::languages::{codec_of, name_of};
use cairn_crdt::op::Cut;
use cairn_crdt::path::{Name, RepoPath};
use cairn_crdt::syntax::{cut, is_text};
use cairn_crdt::{Change, CrdtError, Documents, FileEdit, Frontier, Kept};

#[derive(Default)]
struct Tally {
    files: usize,
    bytes: usize,
    cut: usize,
    pieces: usize,
    time: Duration,
    slowest: (Duration, PathBuf),
    edited: usize,
}

fn main() -> Result<(), String> {
    let mut tallies = BTreeMap::<&str, Tally>::new();
    let mut open: Vec<_> = std::env::args().skip(1).map(PathBuf::from).collect();
    while let Some(path) = open.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let mut below: Vec<_> = entries.map(|entry| entry.path()).collect();
            below.sort();
            open.extend(below.into_iter().rev());
        } else if let Ok(bytes) = std::fs::read(&path) {
            walk(&path, &bytes, &mut tallies).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    println!("{:<11} files  edited by grammar       MB  pieces  MB/s  slowest", "language");
    for (language, tally) in tallies {
        let (mb, s) = (tally.bytes as f64 / 1e6, tally.time.as_secs_f64());
        let (files, edited, cut, pieces) = (tally.files, tally.edited, tally.cut, tally.pieces);
        let (slowest, path) = (tally.slowest.0.as_millis(), tally.slowest.1.display());
        println!(
            "{language:<11} {files:>5} {edited:>7} {cut:>10} {mb:>8.1} {pieces:>7} {:>5.1}  {slowest} ms {path}",
            mb / s
        );
    }
    Ok(())
}

fn walk(path: &Path, bytes: &[u8], tallies: &mut BTreeMap<&str, Tally>) -> Result<(), String> {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    let wanted = codec_of(&name);
    let Some(language) = name_of(wanted).filter(|_| is_text(bytes)) else { return Ok(()) };
    let tally = tallies.entry(language).or_default();
    let start = Instant::now();
    let (codec, cuts) = cut(wanted, bytes);
    let took = start.elapsed();
    tally.files += 1;
    tally.bytes += bytes.len();
    tally.time += took;
    tally.cut += usize::from(codec == wanted);
    tally.pieces += cuts.len();
    if took > tally.slowest.0 {
        tally.slowest = (took, path.to_owned());
    }
    covers(&cuts, bytes)?;
    if bytes.len() <= 200_000 {
        tally.edited += 1;
        round(&name, bytes).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Whether the pieces without pieces are the text from end to end.
fn covers(cuts: &[Cut], bytes: &[u8]) -> Result<(), String> {
    let mut end = 0;
    for (index, cut) in cuts.iter().enumerate() {
        let holds = cuts.get(index + 1).is_some_and(|next| next.depth > cut.depth);
        if cut.start != end || cut.end <= cut.start {
            return Err(format!("piece {index} begins at {} and not at {end}", cut.start));
        }
        if !holds {
            end = cut.end;
        }
    }
    if end as usize == bytes.len() { Ok(()) } else { Err(format!("pieces end at {end}")) }
}

/// Writes a file, edits a few lines of it, and asks for the bytes after each step.
fn round(name: &[u8], bytes: &[u8]) -> Result<(), CrdtError> {
    let name = Name::new(name).or_else(|_| Name::new(b"file"))?;
    let path = RepoPath::root(&name);
    let mut documents = Documents::new(ProjectId([0; 32]));
    let mut kept = Kept::default();
    let mut base = Frontier::empty();
    for (step, text) in [bytes.to_vec(), edited(bytes), bytes.to_vec()].into_iter().enumerate() {
        let edit = FileEdit::Write { path: path.clone(), bytes: text.clone().into(), executable: false };
        let draft = documents.draft(&base, &[edit], &kept)?;
        kept.extend(draft.contents);
        let id = WaypointId([step as u8 + 1; 32]);
        documents.insert(Change { id, parents: base.heads().to_vec(), ops: draft.ops.into() })?;
        base = Frontier::from_iter([id]);
        let view = documents.view(&base, &kept)?;
        if documents.bytes(&view, &path, &kept)? != text {
            return Err(CrdtError::Bug("bytes differ"));
        }
    }
    Ok(())
}

/// A line in the middle said twice, one a third down left out, and one at the end without its line break.
fn edited(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (twice, gone) = (lines.len() / 2, lines.len() / 3);
    let mut text = Vec::with_capacity(bytes.len() + 100);
    for (number, line) in lines.iter().enumerate() {
        if number != gone || lines.len() < 3 {
            text.extend_from_slice(line);
        }
        if number == twice {
            text.extend_from_slice(line);
        }
    }
    text.extend_from_slice(b"the end");
    text
}
