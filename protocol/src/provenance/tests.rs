//! What each kind of tampering comes to, also where the changed file was signed again.

use super::*;
use crate::entry::Entry;
use crate::grant::{Grant, Revocation, Role, Scope};
use crate::key::Keypair;
use crate::log::Log;
use crate::samples::{keypair, labels, log_over};
use crate::waypoint::Labels;

const PROJECT: &str = "owner/name";

fn founding() -> Verified<FoundingRecord> {
    let record = FoundingRecord {
        name: "main".into(),
        public: false,
        founders: vec![keypair(1).key()],
        nonce: [1; 16],
        stamp: Stamp::default(),
    };
    record.sign(&keypair(1)).unwrap()
}

fn grant() -> Grant {
    Grant {
        repo: founding().repo(),
        issuer: keypair(1).key(),
        subject: keypair(2).key(),
        role: Role::Write,
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce: [2; 16],
    }
}

/// What a writer's feed holds: a waypoint with the record, then one more.
fn feed(project: &str, writer: &Keypair, record: &[u8]) -> (Vec<Waypoint>, Log, Verified<Top>) {
    let repo = founding().repo();
    let feed = FeedName { repo, project: project_id(repo, project), key: writer.key() };
    let payloads = [
        Payload::Content(record.to_vec()),
        Payload::Content(b"log".to_vec()),
        Payload::Branch("runs".into()),
    ];
    let entries = payloads.iter().zip(0u8..).map(|(payload, salt)| Entry::new([salt; 16], payload));
    let first = Waypoint::new(labels(feed, 1), entries.collect()).unwrap();
    let second = Waypoint::new(Labels { parents: vec![first.id()], ..labels(feed, 2) }, Vec::new()).unwrap();
    let waypoints = vec![first, second];
    let log = log_over(&waypoints);
    let top = Top { feed, n: log.len(), root: log.root(), grants: Vec::new() }.sign(writer).unwrap();
    (waypoints, log, top)
}

fn step(top: u32, writer: &Keypair, record: &[u8]) -> Step {
    let (waypoints, log, _) = feed(PROJECT, writer, record);
    let proof = log.inclusion(0, 2).unwrap();
    Step { top, proof, waypoint: waypoints[0].without(|index, _| index == 1) }
}

fn provenance() -> Provenance {
    Provenance {
        founding: founding().into_signed(),
        project: PROJECT.into(),
        artifact: ArtifactId([9; 32]),
        rights: vec![grant().sign(&keypair(1)).unwrap()],
        tops: [1, 2].map(|seed| feed(PROJECT, &keypair(seed), &[seed]).2.into_signed()).to_vec(),
        steps: vec![step(0, &keypair(1), &[1]), step(1, &keypair(2), &[2])],
        raw: vec![ContentHash::of(b"raw")],
        gathered_ms: 7,
        key: keypair(2).key(),
    }
}

fn second(changed: &Provenance) -> Result<Attested, Reject> {
    changed.attest().unwrap().swap_remove(1)
}

#[test]
fn what_was_signed_is_attested_without_what_was_left_out() {
    let signed = provenance().sign(&keypair(2)).unwrap();
    let bytes = ProvenanceFile(signed.into_signed()).to_bytes();
    let read = ProvenanceFile::from_bytes(&bytes).unwrap().0.verify().unwrap();
    let steps: Vec<_> = read.attest().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!((steps[0].is_founder, steps[1].is_founder), (true, false));
    assert_eq!(steps[1].contents, [[2].to_vec()]);
    assert_eq!((steps[1].branch.as_deref(), steps[1].feed.key), (Some("runs"), keypair(2).key()));
}

#[test]
fn every_flipped_bit_is_found_and_a_cut_file_is_refused() {
    let bytes = ProvenanceFile(provenance().sign(&keypair(2)).unwrap().into_signed()).to_bytes();
    let holds = |bytes: &[u8]| ProvenanceFile::from_bytes(bytes).is_ok_and(|file| file.0.verify().is_ok());
    assert!(holds(&bytes));
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(!holds(&bad), "a bit of byte {at}");
        assert!(!holds(&bytes[..at]), "cut at {at}");
    }
}

#[test]
fn another_record_is_in_no_log() {
    let mut changed = provenance();
    changed.steps[1].waypoint = step(1, &keypair(2), b"other").waypoint;
    assert_eq!(second(&changed), Err(Reject::Proof("inclusion")));
    let mut changed = provenance();
    changed.steps[1].proof = InclusionProof::default();
    assert_eq!(second(&changed), Err(Reject::Proof("inclusion")));
}

#[test]
fn a_top_of_another_feed_project_or_key_vouches_for_nothing() {
    let mut changed = provenance();
    changed.steps[1].top = 0;
    assert_eq!(second(&changed), Err(Reject::Graft("feed")));
    changed.steps[1].top = 7;
    assert_eq!(second(&changed), Err(Reject::Missing));
    let mut changed = provenance();
    changed.tops[1] = feed("owner/other", &keypair(2), &[2]).2.into_signed();
    assert_eq!(second(&changed), Err(Reject::Graft("project")));
    // The right feed and root, signed by somebody else.
    let top = changed_signer(&feed(PROJECT, &keypair(2), &[2]).2);
    let mut changed = provenance();
    changed.tops[1] = top;
    assert_eq!(second(&changed), Err(Reject::Signature));
}

fn changed_signer(top: &Verified<Top>) -> Signed<Top> {
    Verified::sign_unread((**top).clone(), &keypair(3)).into_signed()
}

#[test]
fn whoever_was_given_no_right_attests_nothing() {
    let without = Provenance { rights: Vec::new(), ..provenance() };
    assert_eq!(second(&without), Err(Reject::Ungranted));
    let reader = Grant { role: Role::Read, ..grant() }.sign(&keypair(1)).unwrap();
    assert_eq!(second(&Provenance { rights: vec![reader], ..provenance() }), Err(Reject::Ungranted));
    // A right that its issuer did not have, and one that hangs on nothing here.
    let own = Grant { issuer: keypair(2).key(), ..grant() }.sign(&keypair(2)).unwrap();
    assert!(matches!(Provenance { rights: vec![own], ..provenance() }.attest(), Err(Reject::Grant(_))));
    let parent = Some(crate::hash::GrantId([5; 32]));
    let hanging = Grant { issuer: keypair(3).key(), parent, depth: 2, ..grant() }.sign(&keypair(3)).unwrap();
    assert_eq!(Provenance { rights: vec![hanging], ..provenance() }.attest(), Err(Reject::Missing));
}

#[test]
fn a_right_that_was_taken_back_is_shown_with_that() {
    let mut grants = Grants::new(&founding());
    grants.add(grant().sign(&keypair(1)).unwrap()).unwrap();
    assert_eq!(grants.evidence(&keypair(2).key()).len(), 1);
    let revocation = Revocation {
        repo: founding().repo(),
        issuer: keypair(1).key(),
        grant: grant().id(),
        authority: None,
        cut: Vec::new(),
        seen: Vec::new(),
        nonce: [3; 16],
    };
    grants.add(revocation.sign(&keypair(1)).unwrap()).unwrap();
    let rights = grants.evidence(&keypair(2).key());
    assert_eq!((rights.len(), second(&Provenance { rights, ..provenance() })), (2, Err(Reject::Ungranted)));
}

#[test]
fn another_founding_is_another_repo() {
    let record = FoundingRecord { name: "other".into(), ..(*founding()).clone() };
    let founding = record.sign(&keypair(1)).unwrap().into_signed();
    let changed = Provenance { founding, rights: Vec::new(), ..provenance() };
    assert_eq!(changed.attest().unwrap()[0], Err(Reject::Graft("repo")));
}

#[test]
fn a_signature_for_another_purpose_signs_no_provenance() {
    let others = [Top::PURPOSE, Grant::PURPOSE, Revocation::PURPOSE, FoundingRecord::PURPOSE];
    assert!(Provenance::PURPOSE.starts_with("cairn 1 sign ") && !others.contains(&Provenance::PURPOSE));
    let signed = provenance().sign(&keypair(2)).unwrap().into_signed();
    let forged = Verified::sign_unread(signed.claimed().clone(), &keypair(1)).into_signed();
    assert_eq!(forged.verify().unwrap_err(), Reject::Signature);
}
