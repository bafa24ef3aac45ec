//! Older steps of a worktree: `.cairn/steps.0` or `.cairn/steps.1`.
//!
//! ```text
//! file    = record*
//! record  = length (u32)  check (16)  payload
//! ```
//!
//! The payload is one step as JSON. The check is the beginning of a BLAKE3 hash over the record's place and payload, so that
//! no record of another place counts.
//!
//! The link holds the last few steps, and counts how many bytes here belong to it. A file only grows behind what is counted,
//! and is synced before a link is written that counts more: so a crash leaves the steps of the old link or of the new one, and
//! what was torn lies behind the count and is written over. A record that is bad within the count is damage, which is told;
//! those before it stay. When a file has grown long, the newer half goes on in the other one.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Limits, Step, WrittenStep, newest};
use crate::error::NodeError;
use crate::worktree::link::private_dir;

/// The most bytes of a file; then the older half is dropped.
const FILE_BYTES_MAX: u64 = 2 << 20;
/// The most bytes of a record's payload: a step that names as many waypoints as steps may.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Bytes before a record's payload.
const FRAME_BYTES: usize = 20;

/// How much of which file belongs to a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::worktree) struct Past {
    /// Which of the two files: 0 or 1.
    file: u8,
    /// How many bytes of it.
    bytes: u64,
    /// How many steps those are.
    pub(super) steps: usize,
}

/// A step that was read back.
struct Record {
    offset: u64,
    end: u64,
    step: Step,
}

impl Past {
    /// Whether no step lies here.
    pub(in crate::worktree) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Says why these numbers count nothing that was ever written.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_whole = self.file < 2 && self.bytes <= FILE_BYTES_MAX && (self.steps as u64) <= self.bytes;
        if is_whole { Ok(()) } else { Err("what it counts of older steps is out of bounds".to_owned()) }
    }

    fn path(&self, root: &Path) -> PathBuf {
        private_dir(root).join(format!("steps.{}", self.file))
    }

    /// Makes steps durable behind those that are here; the link that counts them is still to be saved. Gives a file that
    /// counts no longer then, to be removed.
    pub(super) fn append(&mut self, root: &Path, steps: &[Step]) -> Result<Option<PathBuf>, NodeError> {
        let grown = self.framed(steps)?;
        if self.bytes + grown.len() as u64 <= FILE_BYTES_MAX {
            self.grow(root, &grown, steps.len())?;
            return Ok(None);
        }
        let left = self.path(root);
        let (kept, damage) = self.read(root)?;
        if let Some(damage) = damage {
            tracing::warn!(error = %damage, "older steps are lost");
        }
        let all: Vec<Step> =
            kept.into_iter().map(|record| record.step).chain(steps.iter().cloned()).collect();
        *self = Self { file: 1 - self.file, ..Self::default() };
        let newer = fitting(&all, FILE_BYTES_MAX / 2)?;
        self.grow(root, &self.framed(newer)?, newer.len())?;
        Ok(Some(left))
    }

    /// Takes the last steps, at least one and at most so many; the file stays as it is until more is written.
    ///
    /// Where a record is bad, this counts only what lies before it from then on, and says so.
    pub(super) fn take(&mut self, root: &Path, limits: Limits) -> Result<Vec<Step>, NodeError> {
        let (records, damage) = self.read(root)?;
        if let Some(damage) = damage {
            self.bytes = records.last().map_or(0, |record| record.end);
            self.steps = records.len();
            return Err(damage);
        }
        let (places, mut steps): (Vec<u64>, Vec<Step>) =
            records.into_iter().map(|record| (record.offset, record.step)).unzip();
        self.steps = steps.len() - newest(&steps, limits).max(1).min(steps.len());
        self.bytes = places.get(self.steps).copied().unwrap_or(0);
        Ok(steps.split_off(self.steps))
    }

    /// Says what is damaged of the steps that are here.
    pub(super) fn verify(&self, root: &Path) -> Result<(), NodeError> {
        self.read(root)?.1.map_or(Ok(()), Err)
    }

    fn framed(&self, steps: &[Step]) -> Result<Vec<u8>, NodeError> {
        let mut bytes = Vec::new();
        for step in steps {
            let payload = payload(step)?;
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            let offset = self.bytes + bytes.len() as u64;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&check(offset, &payload));
            bytes.extend_from_slice(&payload);
        }
        Ok(bytes)
    }

    /// Writes records behind those that count, over what a crash may have left there.
    fn grow(&mut self, root: &Path, records: &[u8], steps: usize) -> Result<(), NodeError> {
        let path = self.path(root);
        let io = |error| NodeError::io("write", &path, error);
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io)?;
        file.set_len(self.bytes).map_err(io)?;
        file.write_all_at(records, self.bytes).and_then(|()| file.sync_all()).map_err(io)?;
        if self.bytes == 0 {
            File::open(private_dir(root)).and_then(|dir| dir.sync_all()).map_err(io)?;
        }
        self.bytes += records.len() as u64;
        self.steps += steps;
        Ok(())
    }

    /// The steps in their order, up to the first that is damaged, and the damage.
    fn read(&self, root: &Path) -> Result<(Vec<Record>, Option<NodeError>), NodeError> {
        let path = self.path(root);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(self.bytes).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(NodeError::io("read", &path, error)),
        }
        let mut records: Vec<Record> = Vec::new();
        let mut offset = 0;
        while offset < self.bytes {
            let Some(record) = record(&bytes, offset) else {
                let why = format!("the step at byte {offset} is not what was written");
                return Ok((records, Some(NodeError::Steps { path, why })));
            };
            offset = record.end;
            records.push(record);
        }
        Ok((records, None))
    }
}

/// Reads the record at a place, if it is whole.
fn record(bytes: &[u8], offset: u64) -> Option<Record> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (checked, rest) = rest.split_first_chunk::<16>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..length).filter(|_| length <= RECORD_BYTES_MAX)?;
    if check(offset, payload) != *checked {
        return None;
    }
    let written: WrittenStep = serde_json::from_slice(payload).ok()?;
    Some(Record { offset, end: offset + (FRAME_BYTES + length) as u64, step: Step::read(written).ok()? })
}

/// The last steps that take no more room than this.
fn fitting(steps: &[Step], bytes_max: u64) -> Result<&[Step], NodeError> {
    let (mut bytes, mut first) = (0, steps.len());
    for step in steps.iter().rev() {
        bytes += (FRAME_BYTES + payload(step)?.len()) as u64;
        if bytes > bytes_max {
            break;
        }
        first -= 1;
    }
    Ok(&steps[first..])
}

fn payload(step: &Step) -> Result<Vec<u8>, NodeError> {
    let bytes = serde_json::to_vec(&step.written()).map_err(|_| NodeError::Bug("a step without a form"))?;
    if bytes.len() > RECORD_BYTES_MAX {
        Err(NodeError::Bug("a step larger than a record"))
    } else {
        Ok(bytes)
    }
}

fn check(offset: u64, payload: &[u8]) -> [u8; 16] {
    let hash = blake3::Hasher::new().update(&offset.to_le_bytes()).update(payload).finalize();
    let mut check = [0; 16];
    check.copy_from_slice(&hash.as_bytes()[..16]);
    check
}

/// Removes a file that no link counts.
pub(in crate::worktree) fn remove(path: &Path) -> Result<(), NodeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(NodeError::io("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;

    const ALL: Limits = (usize::MAX, usize::MAX);

    fn filled(root: &Path, groups: &[&[Step]]) -> Past {
        fs::create_dir_all(private_dir(root)).unwrap();
        let mut past = Past::default();
        for group in groups {
            assert_eq!(past.append(root, group).unwrap(), None);
        }
        past
    }

    #[test]
    fn steps_come_back_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut past = filled(dir.path(), &[&[step(1), step(2)], &[step(3)]]);
        assert_eq!(past.take(dir.path(), (2, 99)).unwrap(), [step(2), step(3)]);
        assert_eq!(past.steps, 1);
        past.append(dir.path(), &[step(4)]).unwrap();
        assert_eq!(
            past.take(dir.path(), (9, 0)).unwrap(),
            [step(4)],
            "one comes back, however many it names"
        );
        assert_eq!(past.take(dir.path(), ALL).unwrap(), [step(1)]);
        assert!(past.is_empty() && past.take(dir.path(), ALL).unwrap().is_empty());
    }

    /// The machine stops while a record is written, so no link counts it; wherever it was torn, it is dropped and the file goes on.
    #[test]
    fn a_torn_record_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let counted = filled(dir.path(), &[&[step(1), step(2)]]);
        counted.clone().append(dir.path(), &[step(3), step(4)]).unwrap();
        let whole = fs::read(counted.path(dir.path())).unwrap();
        for len in counted.bytes..=whole.len() as u64 {
            fs::write(counted.path(dir.path()), &whole[..len as usize]).unwrap();
            assert_eq!(counted.clone().take(dir.path(), ALL).unwrap(), [step(1), step(2)]);
            let mut past = counted.clone();
            past.append(dir.path(), &[step(5)]).unwrap();
            assert_eq!(past.take(dir.path(), ALL).unwrap(), [step(1), step(2), step(5)], "{len}");
        }
    }

    #[test]
    fn damage_is_told_once_and_what_lies_before_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let one = filled(dir.path(), &[&[step(1)]]).bytes as usize;
        let past = filled(dir.path(), &[&[step(1)], &[step(2)], &[step(3)]]);
        let whole = fs::read(past.path(dir.path())).unwrap();
        let told = |at: usize, bad: &[u8]| {
            fs::write(past.path(dir.path()), bad).unwrap();
            let mut past = past.clone();
            assert!(matches!(past.verify(dir.path()), Err(NodeError::Steps { .. })), "{at}");
            assert!(matches!(past.take(dir.path(), ALL), Err(NodeError::Steps { .. })), "{at}");
            past.verify(dir.path()).unwrap();
            past.take(dir.path(), ALL).unwrap()
        };
        for at in one..2 * one {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert_eq!(told(at, &bad), [step(1)]);
        }
        let swapped = [&whole[..one], &whole[2 * one..], &whole[one..2 * one]].concat();
        assert_eq!(told(one, &swapped), [step(1)], "a record of another place");
        assert_eq!(told(3 * one, &whole[..3 * one - 1]), [step(1), step(2)]);
        fs::remove_file(past.path(dir.path())).unwrap();
        assert!(matches!(past.clone().take(dir.path(), ALL), Err(NodeError::Steps { .. })));
    }

    /// Until a link counts the other file, the first one is what it was.
    #[test]
    fn a_long_file_goes_on_in_the_other_one_with_its_newer_half() {
        let dir = tempfile::tempdir().unwrap();
        let mut past = filled(dir.path(), &[]);
        let mut left = None;
        for name in 0.. {
            let before = past.clone();
            left = left.or(past.append(dir.path(), &[step(name)]).unwrap());
            assert!(past.bytes <= FILE_BYTES_MAX);
            if left.as_ref() == Some(&before.path(dir.path())) {
                before.verify(dir.path()).unwrap();
                break;
            }
        }
        let bytes = past.bytes;
        assert!(bytes <= FILE_BYTES_MAX / 2 && bytes > FILE_BYTES_MAX / 2 - 1000, "{bytes}");
        let steps = past.clone().take(dir.path(), ALL).unwrap();
        assert_eq!((steps.len(), past.file), (past.steps, 1));
        assert!(
            steps.is_sorted_by(|a, b| (Some(&a.to), a != b) == (Some(&b.from), true)),
            "the newest, each once"
        );
    }
}
