//! What people do to files: small edits of small texts, now and then something larger.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::FileEdit;
use cairn_crdt::path::RepoPath;

use crate::rng::Rng;

/// The files of a version.
pub type Files = BTreeMap<RepoPath, Vec<u8>>;

const NAMES: [&str; 6] = ["src/lib.rs", "src/tower.rs", "notes.txt", "README.md", "tools/cut.py", "data.bin"];

/// Some edits of `files`; never none.
pub fn edits(rng: &mut Rng, files: &Files) -> Vec<FileEdit> {
    match rng.below(12) {
        0 | 1 => vec![create(rng, files)],
        2 => remove(rng, files).unwrap_or_else(|| vec![create(rng, files)]),
        3 => rename(rng, files).unwrap_or_else(|| vec![create(rng, files)]),
        _ => change(rng, files).unwrap_or_else(|| vec![create(rng, files)]),
    }
}

fn create(rng: &mut Rng, files: &Files) -> FileEdit {
    let free = NAMES.iter().filter_map(|name| RepoPath::new(name.as_bytes()).ok());
    let free: Vec<RepoPath> = free.filter(|path| !files.contains_key(path)).collect();
    match rng.pick(&free).cloned() {
        Some(path) => {
            let bytes = fresh(rng, &path);
            write(path, bytes)
        }
        None => match change(rng, files).and_then(|mut edits| edits.pop()) {
            Some(edit) => edit,
            None => FileEdit::Dir { path: numbered("empty", rng) },
        },
    }
}

fn numbered(stem: &str, rng: &mut Rng) -> RepoPath {
    let name = format!("{stem}{}", rng.below(1000));
    RepoPath::new(name.as_bytes()).expect("a plain name")
}

fn fresh(rng: &mut Rng, path: &RepoPath) -> Vec<u8> {
    let name = path.to_string();
    if name.ends_with(".bin") {
        return rng.bytes::<64>().to_vec();
    }
    let items: Vec<String> = (0..rng.between(2, 5)).map(|_| item(rng, &name)).collect();
    items.join("\n").into_bytes()
}

fn item(rng: &mut Rng, name: &str) -> String {
    let (word, number) = (rng.below(40), rng.below(1000));
    match name.rsplit('.').next() {
        Some("rs") => {
            format!("fn stone{word}(count: u32) -> u32 {{\n    let base = {number};\n    base + count\n}}\n")
        }
        Some("py") => format!("def stone{word}(count):\n    base = {number}\n    return base + count\n"),
        _ => format!("Stone {word} weighs {number} pounds.\n"),
    }
}

fn change(rng: &mut Rng, files: &Files) -> Option<Vec<FileEdit>> {
    let paths: Vec<&RepoPath> = files.keys().collect();
    let path = (*rng.pick(&paths)?).clone();
    let old = files.get(&path)?;
    let name = path.to_string();
    if name.ends_with(".bin") {
        return Some(vec![write(path, rng.bytes::<64>().to_vec())]);
    }
    let text = String::from_utf8_lossy(old).into_owned();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let at = rng.below(lines.len() as u64 + 1) as usize;
    match rng.below(4) {
        0 if lines.len() > 3 => drop(lines.remove(at.min(lines.len() - 1))),
        1 => lines.insert(at, item(rng, &name)),
        _ => renumber(rng, &mut lines, at),
    }
    Some(vec![write(path, lines.concat().into_bytes())])
}

/// Changes one word of one line.
fn renumber(rng: &mut Rng, lines: &mut Vec<String>, at: usize) {
    let fresh = format!("{}", rng.below(1000));
    let digits = |line: &&mut String| line.contains(|c: char| c.is_ascii_digit());
    match lines.iter_mut().skip(at).find(digits) {
        Some(line) => {
            let start = line.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
            let rest = &line[start..];
            let end = start + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            line.replace_range(start..end, &fresh);
        }
        None => lines.push(format!("// {fresh}\n")),
    }
}

fn rename(rng: &mut Rng, files: &Files) -> Option<Vec<FileEdit>> {
    let paths: Vec<&RepoPath> = files.keys().collect();
    let old = (*rng.pick(&paths)?).clone();
    let extension = old.to_string().rsplit('.').next().unwrap_or("txt").to_owned();
    let new = RepoPath::new(format!("moved{}.{extension}", rng.below(1000)).as_bytes()).ok()?;
    let bytes = files.get(&old)?.clone();
    Some(vec![FileEdit::Remove { path: old }, write(new, bytes)])
}

fn remove(rng: &mut Rng, files: &Files) -> Option<Vec<FileEdit>> {
    let paths: Vec<&RepoPath> = files.keys().collect();
    let path = (*rng.pick(&paths)?).clone();
    (files.len() > 2).then(|| vec![FileEdit::Remove { path }])
}

fn write(path: RepoPath, bytes: Vec<u8>) -> FileEdit {
    FileEdit::Write { path, bytes: Arc::from(bytes), executable: false }
}
