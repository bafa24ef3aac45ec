//! What two artifacts of one form say of themselves. Of each only the chunks that its header touches are read.

use std::ops::Range;

use cairn_protocol::manifest::Manifest;

use crate::error::NodeError;
use crate::headers::compare::{self, Inside, Problem};
use crate::headers::{self, Failure, Form, Header, Source};
use crate::owner::Owner;
use crate::verbs::Network;

/// An artifact that is here, read by ranges.
struct Held<'a> {
    owner: &'a mut Owner,
    network: &'a mut dyn Network,
    manifest: &'a Manifest,
    /// Where each chunk ends.
    ends: Vec<u64>,
    /// The chunk that was read last: the next range often begins in it.
    last: Option<(usize, Vec<u8>)>,
}

impl<'a> Held<'a> {
    fn new(owner: &'a mut Owner, network: &'a mut dyn Network, manifest: &'a Manifest) -> Self {
        let mut end = 0;
        let ends = manifest.chunks.iter().map(|chunk| {
            end += u64::from(chunk.bytes);
            end
        });
        let ends = ends.collect();
        Self { owner, network, manifest, ends, last: None }
    }

    /// The bytes of a chunk, and where it begins.
    fn chunk(&mut self, at: usize) -> Result<(&[u8], u64), NodeError> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        if self.last.as_ref().is_none_or(|(known, _)| *known != at) {
            let chunk = self.manifest.chunks.get(at).ok_or(NodeError::Bug("a range beyond an artifact"))?;
            self.last = Some((at, self.network.read_chunk(self.owner, chunk)?));
        }
        Ok((self.last.as_ref().map_or(&[], |(_, bytes)| bytes), start))
    }
}

impl Source for Held<'_> {
    type Error = NodeError;

    fn bytes(&self) -> u64 {
        self.manifest.bytes
    }

    fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, NodeError> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        let mut at = self.ends.partition_point(|end| *end <= range.start);
        while range.start + (out.len() as u64) < range.end {
            let from = range.start + out.len() as u64;
            let (bytes, start) = self.chunk(at)?;
            let end = bytes.len().min(place(range.end - start));
            out.extend(bytes.get(place(from - start)..end).unwrap_or_default());
            at += 1;
        }
        Ok(out)
    }
}

/// The form of an artifact: as its name tells, else as it begins.
fn form(
    owner: &mut Owner,
    network: &mut dyn Network,
    manifest: &Manifest,
) -> Result<Option<Form>, NodeError> {
    if let Some(form) = Form::of_name(&manifest.name) {
        return Ok(Some(form));
    }
    let begin = manifest.bytes.min(headers::BEGIN_BYTES);
    Ok(Form::of_beginning(&Held::new(owner, network, manifest).read(0..begin)?))
}

/// What differs in what two artifacts say of themselves; nothing where they are not of one form that is known.
pub(super) fn diff(
    owner: &mut Owner,
    network: &mut dyn Network,
    then: &Manifest,
    now: &Manifest,
) -> Result<Option<Inside>, NodeError> {
    let Some(form) = form(owner, network, then)? else { return Ok(None) };
    if self::form(owner, network, now)? != Some(form) {
        return Ok(None);
    }
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for manifest in [then, now] {
        match headers::read(form, &mut Held::new(owner, network, manifest)) {
            Ok(header) => read.push(header),
            Err(Failure::Header(error)) => {
                problems
                    .push(Problem { artifact: manifest.artifact().to_string(), detail: error.to_string() });
            }
            Err(Failure::Source(error)) => return Err(error),
        }
    }
    Ok(Some(match <[Header; 2]>::try_from(read) {
        Ok([then, now]) => compare::compare(form, &then, &now),
        Err(_) => compare::unread(form, problems),
    }))
}
