//! The provenance of an artifact that one run of a founder made and another one's run read.

use super::{Format, founding, keypair};
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_protocol::entry::{Entry, Payload};
use cairn_protocol::grant::{Grant, GrantRecord, Role, Scope};
use cairn_protocol::log::Log;
use cairn_protocol::provenance::{Provenance, ProvenanceFile, Step};
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::{Labels, Waypoint};
use cairn_protocol::{FeedName, Reject, Signed, Stamp, project_id};

pub(crate) const PROVENANCE: Format = Format { round_trip, canonical: true, resign: Some(resign) };

pub(crate) fn provenance() -> Vec<u8> {
    let ((first_top, first), (second_top, second)) = (step(0, 1), step(1, 3));
    let provenance = Provenance {
        founding: founding(),
        project: "owner/name".into(),
        artifact: ArtifactId([9; 32]),
        rights: vec![right()],
        tops: vec![first_top, second_top],
        steps: vec![first, second],
        raw: vec![ContentHash::of(b"raw")],
        gathered_ms: 1_700_000_000_000,
        key: keypair(1).key(),
    };
    ProvenanceFile(provenance.sign(&keypair(1)).unwrap().into_signed()).to_bytes()
}

fn right() -> GrantRecord {
    let grant = Grant {
        repo: founding().repo(),
        issuer: keypair(1).key(),
        subject: keypair(3).key(),
        role: Role::Write,
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce: [4; 16],
    };
    grant.sign(&keypair(1)).unwrap()
}

fn step(top: u32, seed: u8) -> (Signed<Top>, Step) {
    let repo = founding().repo();
    let feed = FeedName { repo, project: project_id(repo, "owner/name"), key: keypair(seed).key() };
    let mut log = Log::new();
    let mut parents = Vec::new();
    let mut last = None;
    for seq in 1..=3 {
        let stamp = Stamp { wall_ms: 1_000 * seq, counter: 0 };
        let labels = Labels { feed, seq, stamp, continued: false, parents, grants: Vec::new() };
        let payloads = [
            Payload::Content(vec![seed; 3]),
            Payload::Message("left out".into()),
            Payload::Branch("runs".into()),
        ];
        let entries = payloads.iter().zip(0u8..).map(|(payload, salt)| Entry::new([salt; 16], payload));
        let waypoint = Waypoint::new(labels, entries.collect()).unwrap();
        log.append(&waypoint.id());
        parents = vec![waypoint.id()];
        last = (seq <= 2).then_some(waypoint).or(last);
    }
    let value = Top { feed, n: 3, root: log.root(), grants: Vec::new() };
    let waypoint = last.unwrap().without(|index, _| index == 1);
    let proof = log.inclusion(1, 3).unwrap();
    (value.sign(&keypair(seed)).unwrap().into_signed(), Step { top, proof, waypoint })
}

fn round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let file = ProvenanceFile::from_bytes(bytes)?;
    let whole = bytes == provenance();
    assert!(
        !whole || file.0.claimed().attest().unwrap().iter().all(Result::is_ok),
        "the sample itself holds"
    );
    let _ = file.0.claimed().attest();
    let _ = file.0.clone().verify();
    Ok(file.to_bytes())
}

fn resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let claimed = ProvenanceFile::from_bytes(bytes).ok()?.0.claimed().clone();
    let signed = [1, 2, 3].iter().find_map(|seed| claimed.clone().sign(&keypair(*seed)).ok())?;
    Some(ProvenanceFile(signed.into_signed()).to_bytes())
}
