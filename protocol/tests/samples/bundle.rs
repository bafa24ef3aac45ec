//! A bundle with something in every section.

use super::{Format, feed, fork, founding, frame, log, records, segment, top};
use cairn_crdt::id::derive;
use cairn_protocol::Reject;
use cairn_protocol::bundle::{BundleReader, BundleWriter, HEAD_BYTES, Head, Next, Part, Stretch};
use cairn_protocol::log::Log;

pub(crate) const BUNDLE: Format = Format { resign: Some(resign), ..frame(round_trip) };

pub(crate) fn bundle() -> Vec<u8> {
    let (mut writer, mut bytes) = BundleWriter::new(&Head { repo: founding().repo(), archive: true });
    let stretch = Stretch { top: top(&log(6)).into_signed(), start: 1 };
    let parts = [
        Part::Founding(founding()),
        Part::Projects(vec!["owner/name".into(), "owner/other".into()]),
        Part::Rights(records()),
        Part::Forks(vec![fork()]),
        Part::Feeds(vec![stretch]),
        Part::Run(segment(1, 3, 6)),
        Part::Run(segment(3, 6, 6)),
    ];
    parts.iter().for_each(|part| bytes.extend(writer.push(part).unwrap()));
    bytes.extend(writer.end());
    bytes
}

fn round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let mut reader = BundleReader::open(bytes)?;
    let (mut writer, mut written) = BundleWriter::new(&reader.head());
    loop {
        match reader.read()? {
            Next::Part(part) => {
                if let Part::Run(segment) = &part {
                    let _ = segment.clone().verify(&feed(), &Log::new());
                }
                written.extend(writer.push(&part)?);
            }
            Next::End => break,
            Next::Cut => return Err(Reject::Bundle { offset: reader.offset(), what: "cut short" }),
        }
    }
    written.extend(writer.end());
    Ok(written)
}

/// Puts true checksums on changed frames, as a hostile maker of bundles would.
fn resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (mut sum, mut sealed) = (derive("cairn 1 bundle head", &[head]), head.to_vec());
    while !rest.is_empty() {
        let size = u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize;
        let payload = rest.get(5..5usize.checked_add(size)?)?;
        sum = derive("cairn 1 bundle frame", &[&sum, &rest[..1], payload]);
        sealed.extend_from_slice(&rest[..5 + size]);
        sealed.extend_from_slice(&sum);
        rest = rest.get(5 + size + 32..)?;
    }
    Some(sealed)
}
