//! Chains that do not hang together, each signed as if its maker meant it.

use cairn_crdt::id::ArtifactId;
use cairn_protocol::entry::{Entry, Payload};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::log::Log;
use cairn_protocol::provenance::Step as Link;
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::{Labels, Waypoint};
use cairn_protocol::{FeedName, Keypair, Stamp, project_id};

use super::*;

const ARTIFACT: [u8; 32] = [9; 32];

fn keypair() -> Keypair {
    Keypair::from_secret(&[1; 32])
}

fn item(path: &str, bytes: &str) -> Item {
    let content = ContentHash::of(bytes.as_bytes()).to_string();
    let artifact = (bytes == "model").then(|| ArtifactId(ARTIFACT).to_string());
    Item { path: path.into(), content, artifact, ..Item::default() }
}

fn record(name: &str, inputs: &[Item], outputs: &[Item]) -> Vec<u8> {
    let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
    let command = vec!["sh".to_owned()];
    let record = Record { name: Some(name.into()), command, inputs, outputs, level: 1, ..Record::default() };
    record.bytes().unwrap()
}

/// Two runs: raw data to a table, and that to a model.
fn records() -> Vec<Vec<u8>> {
    vec![
        record("prepare", &[item("raw.csv", "raw")], &[item("table.bin", "table")]),
        record(
            "train",
            &[item("in/table.bin", "table"), item("labels", "labels")],
            &[item("model.bin", "model")],
        ),
    ]
}

/// A provenance of records that one founder wrote into one feed.
fn provenance(records: &[Vec<u8>], branch: &str, raw: &[&str]) -> Provenance {
    let founding = FoundingRecord {
        name: "main".into(),
        public: true,
        founders: vec![keypair().key()],
        nonce: [1; 16],
        stamp: Stamp::default(),
    };
    let founding = founding.sign(&keypair()).unwrap();
    let repo = founding.repo();
    let feed = FeedName { repo, project: project_id(repo, "me/p"), key: keypair().key() };
    let (mut log, mut waypoints) = (Log::new(), Vec::new());
    for (record, seq) in records.iter().zip(1..) {
        let stamp = Stamp { wall_ms: seq, counter: 0 };
        let labels = Labels { feed, seq, stamp, continued: false, parents: Vec::new(), grants: Vec::new() };
        let payloads = [Payload::Content(record.clone()), Payload::Branch(branch.into())];
        let entries = payloads.iter().map(|payload| Entry::new([1; 16], payload)).collect();
        waypoints.push(Waypoint::new(labels, entries).unwrap());
        log.append(&waypoints.last().unwrap().id());
    }
    let top = Top { feed, n: log.len(), root: log.root(), grants: Vec::new() };
    let link = |(waypoint, at): (Waypoint, u64)| Link {
        top: 0,
        proof: log.inclusion(at, log.len()).unwrap(),
        waypoint,
    };
    let mut raw: Vec<_> = raw.iter().map(|raw| ContentHash::of(raw.as_bytes())).collect();
    raw.sort();
    Provenance {
        founding: founding.into_signed(),
        project: "me/p".into(),
        artifact: ArtifactId(ARTIFACT),
        rights: Vec::new(),
        tops: vec![top.sign(&keypair()).unwrap().into_signed()],
        steps: waypoints.into_iter().zip(0..).map(link).collect(),
        raw,
        gathered_ms: 5,
        key: keypair().key(),
    }
}

fn checked(provenance: Provenance) -> Chain {
    check(provenance.sign(&keypair()).unwrap().signed())
}

/// The one thing that is wrong.
fn fault(provenance: Provenance) -> String {
    let chain = checked(provenance);
    assert!(!chain.ok);
    let [problem] = chain.problems.as_slice() else { panic!("{:#?}", chain.problems) };
    format!("{} {}: {}", problem.code, problem.place, problem.detail)
}

#[test]
fn a_whole_chain_names_runs_signers_and_raw_data() {
    let chain = checked(provenance(&records(), "runs", &["raw", "labels"]));
    assert!(chain.ok, "{:#?}", chain.problems);
    assert_eq!((&*chain.path, chain.content), ("model.bin", ContentHash::of(b"model").to_string()));
    let names: Vec<_> = chain.steps.iter().map(|step| step.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["prepare", "train"]);
    assert_eq!(chain.steps[1].read[0].from.as_ref(), Some(&chain.steps[0].run));
    assert!(chain.steps.iter().all(|step| step.founder && step.key == keypair().key().to_string()));
    let raw: BTreeSet<_> = chain.raw.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(raw, ["labels", "raw.csv"].into());
}

#[test]
fn a_step_that_was_dropped_leaves_an_input_that_nobody_made() {
    let mut short = provenance(&records(), "runs", &["labels"]);
    short.steps.remove(0);
    assert!(fault(short).contains("in/table.bin was made by no step before, and is not raw"));
}

#[test]
fn raw_data_that_is_not_named_and_raw_data_that_nobody_reads() {
    assert!(fault(provenance(&records(), "runs", &["raw"])).contains("labels was made by no step"));
    assert!(fault(provenance(&records(), "runs", &["raw", "labels", "other"])).contains("no step reads it"));
}

#[test]
fn steps_in_another_order_are_no_chain() {
    let mut turned = provenance(&records(), "runs", &["raw", "labels"]);
    turned.steps.reverse();
    let chain = checked(turned);
    assert!(!chain.ok && chain.problems.iter().all(|problem| problem.code == "E_EDGE"), "{chain:#?}");
}

#[test]
fn a_run_beside_the_chain_and_another_artifact_are_told() {
    let mut more = records();
    more.insert(0, record("other", &[item("raw.csv", "raw")], &[item("other.bin", "other")]));
    assert!(fault(provenance(&more, "runs", &["raw", "labels"])).contains("step 1: nothing after it reads"));
    let other =
        Provenance { artifact: ArtifactId([8; 32]), ..provenance(&records(), "runs", &["raw", "labels"]) };
    assert!(fault(other).contains("the last step did not make it"));
}

#[test]
fn what_is_no_record_of_a_run_is_no_step() {
    let chain = checked(provenance(&records(), "main", &["raw", "labels"]));
    assert!(chain.problems.iter().any(|problem| problem.detail.contains("not on the branch runs")));
    let chain = checked(provenance(&[b"{}".to_vec()], "runs", &[]));
    assert!(chain.problems.iter().any(|problem| problem.code == "E_RECORD"), "{chain:#?}");
}

#[test]
fn a_signature_over_something_else_is_told_beside_what_it_hides() {
    let signed = provenance(&records(), "runs", &["raw", "labels"]).sign(&keypair()).unwrap().into_signed();
    let other = Provenance { raw: vec![ContentHash::of(b"raw")], ..signed.claimed().clone() };
    let bytes = cairn_crdt::encoding::Encoded::to_bytes(&signed);
    let signature = &bytes[bytes.len() - 64..];
    let mut forged = cairn_crdt::encoding::Encoded::to_bytes(other.sign(&keypair()).unwrap().signed());
    let place = forged.len() - 64;
    forged[place..].copy_from_slice(signature);
    let forged: Signed<Provenance> = cairn_crdt::encoding::Encoded::from_bytes(&forged).unwrap();
    let codes: Vec<_> = check(&forged).problems.into_iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["E_SIGNATURE", "E_EDGE"]);
}
