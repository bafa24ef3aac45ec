//! One of each record, with fixed keys, nonces and salts: what the golden files hold.

mod bundle;
mod provenance;

use std::collections::BTreeSet;

use cairn_crdt::encoding::{Encoded, Reader};
use cairn_crdt::hunk::{Hunk, Origin, Run, TokenId};
use cairn_crdt::id::{ArtifactId, ContentHash, HunkId, LeafId, NodeId, RepoId, Root, WaypointId, derive};
use cairn_crdt::op::{Body, Cut, NodeKind, Op, Place, Split};
use cairn_protocol::entry::{Edge, EdgeKind, Entry, OPTIONAL, Payload, Profile};
use cairn_protocol::epoch::{Absorbed, Beside, Epoch};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::{Grant, GrantRecord, Revocation, Role, Scope};
use cairn_protocol::hash::{GrantId, LogHash, RepoTag};
use cairn_protocol::imported::{Imported, Odd};
use cairn_protocol::log::Log;
use cairn_protocol::manifest::{Chunk, Lineage, Manifest};
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::piece::Gone;
use cairn_protocol::proof::{ConsistencyProof, ForkProof, InclusionProof};
use cairn_protocol::retention::Floor;
use cairn_protocol::retire::{Retire, Retired};
use cairn_protocol::signed::Signable;
use cairn_protocol::stone::{
    FOOTER_BYTES, HEADER_BYTES, MAGIC, StoneName, StoneReader, Stored, Summary, write_faded_stone,
    write_stone,
};
use cairn_protocol::top::Top;
use cairn_protocol::tower::Span;
use cairn_protocol::waypoint::{Header, Labels, Slot, Waypoint};
use cairn_protocol::wire::{Announce, Request, Response, Segment, Tip, Witness};
use cairn_protocol::{FeedName, Keypair, Reject, Signed, Stamp, Verified, project_id};

/// A record's name, its bytes, and how bytes of its sort are read.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: Format,
}

/// Makes hostile bytes pass the outer check.
pub(crate) type Resign = fn(&[u8]) -> Option<Vec<u8>>;

/// How bytes of one sort are read.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Decodes, checks what can be checked, and encodes again.
    pub(crate) round_trip: fn(&[u8]) -> Result<Vec<u8>, Reject>,
    /// Whether equal values always have equal bytes. Not so where a compressor has a choice.
    pub(crate) canonical: bool,
    /// Puts a fresh signature on a record that decodes, so that a mutation gets past the outer check.
    pub(crate) resign: Option<Resign>,
}

pub(crate) fn keypair(seed: u8) -> Keypair {
    Keypair::from_secret(&[seed; 32])
}

pub(crate) fn feed() -> FeedName {
    let repo = RepoId([1; 32]);
    FeedName { repo, project: project_id(repo, "owner/name"), key: keypair(1).key() }
}

fn encoded<T: Encoded>(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    Ok(T::from_bytes(bytes)?.to_bytes())
}

const fn plain<T: Encoded>() -> Format {
    Format { round_trip: encoded::<T>, canonical: true, resign: None }
}

fn entry_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let entry = Entry::from_bytes(bytes)?;
    let written = Entry::new(entry.salt, &entry.payload()?);
    Ok(written.to_bytes())
}

fn waypoint_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let waypoint = Waypoint::from_bytes(bytes)?;
    waypoint.check_payloads()?;
    let mut log = Log::new();
    log.append(&waypoint.id());
    let (top, pieces) = (top(&log).into_signed(), vec![bytes.to_vec()]);
    let segment = Segment { top, start: 0, pieces, proof: None, witnesses: Vec::new() };
    let _ = segment.verify(&feed(), &Log::new());
    Ok(waypoint.to_bytes())
}

/// Puts the true root over changed entries into the header, as a hostile author would.
fn waypoint_resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut input = Reader::new(bytes);
    let header = Header::read(&mut input).ok()?;
    let mut entries = Vec::new();
    while input.remaining() > 0 {
        match Slot::read(&mut input).ok()? {
            Slot::Entry(entry) => entries.push(entry),
            Slot::Erased(_) | Slot::Faded(_) => return None,
        }
    }
    let labels = Labels {
        feed: header.feed,
        seq: header.seq,
        stamp: header.stamp,
        continued: header.is_continued(),
        parents: header.parents,
        grants: header.grants,
    };
    Waypoint::new(labels, entries).ok().map(|waypoint| waypoint.to_bytes())
}

fn proof_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let proof = ConsistencyProof::from_bytes(bytes)?;
    let _ = proof.verify(3, &LogHash([0; 32]), 7, &LogHash([1; 32]));
    Ok(proof.to_bytes())
}

fn fork_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let fork = ForkProof::from_bytes(bytes)?;
    let _ = fork.verify();
    Ok(fork.to_bytes())
}

fn signed_round_trip<T: Signable + Clone>(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let signed = Signed::<T>::from_bytes(bytes)?;
    let _ = signed.clone().verify();
    Ok(signed.to_bytes())
}

/// Signs what a record claims with whichever of the known keys is its signer.
fn signed_resign<T: Signable + Clone>(bytes: &[u8]) -> Option<Vec<u8>> {
    let value = Signed::<T>::from_bytes(bytes).ok()?.claimed().clone();
    let seeds = [1, 2, 3];
    let verified = seeds.iter().find_map(|seed| Verified::sign(value.clone(), &keypair(*seed)).ok())?;
    Some(verified.into_signed().to_bytes())
}

const fn signed<T: Signable + Clone>() -> Format {
    Format { round_trip: signed_round_trip::<T>, canonical: true, resign: Some(signed_resign::<T>) }
}

fn request_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let request = Request::from_frame(bytes)?;
    if let Request::Push { segment, .. } = &request {
        let _ = segment.clone().verify(&feed(), &Log::new());
    }
    request.to_frame()
}

fn response_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let response = Response::from_frame(bytes)?;
    if let Response::Segment(segment) = &response {
        let _ = segment.clone().verify(&feed(), &Log::new());
    }
    response.to_frame()
}

fn announce_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    Announce::from_frame(bytes)?.to_frame()
}

/// Frames hold compressed bytes: what is read again must say the same, in the bytes of this compressor.
const fn frame(round_trip: fn(&[u8]) -> Result<Vec<u8>, Reject>) -> Format {
    Format { round_trip, canonical: false, resign: None }
}

fn stone_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let reader = StoneReader::open(bytes)?;
    reader.verify(&reader.hash())?;
    if !reader.is_listed() {
        return write_faded_stone(reader.name(), reader.hash());
    }
    let stored: Result<Vec<Stored>, Reject> = reader.read_all().collect();
    write_stone(reader.name(), &stored?)
}

/// Puts true checksums on a changed stone, as a hostile maker of stones would.
fn stone_resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let foot = bytes.len().checked_sub(FOOTER_BYTES)?;
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let offset =
        usize::try_from(number(foot)?).ok().filter(|offset| (HEADER_BYTES..=foot).contains(offset))?;
    let (head, mut index) = (&bytes[..HEADER_BYTES], bytes[offset..foot].to_vec());
    resign_blocks(bytes, &mut index);
    let subtree = &bytes[foot + 48..foot + 80];
    let sum = derive("cairn 1 stone index", &[head, &(offset as u64).to_le_bytes(), subtree, &index]);
    let length = (index.len() as u64).to_le_bytes();
    let sealed = [&bytes[..offset], &index, &bytes[foot..foot + 8], &length, &sum, subtree].concat();
    let file = *blake3::hash(&sealed).as_bytes();
    Some([&sealed[..], &file, &MAGIC].concat())
}

/// Puts true checksums on the blocks of a stone, as far as its index can be read.
fn resign_blocks(bytes: &[u8], index: &mut [u8]) -> Option<()> {
    let span = HEADER_BYTES - 10;
    let name = FeedName::from_bytes(&bytes[10..span]).ok()?;
    let old = index.to_vec();
    let mut input = Reader::new(&old);
    let mut offset = HEADER_BYTES;
    for block in 0..input.count(100).ok()? {
        let (method, raw, packed) = (input.u8().ok()?, input.u32().ok()?, input.u32().ok()? as usize);
        let place = [&bytes[span..span + 8], &block.to_le_bytes()].concat();
        let (shape, data) = ([bytes[span + 8], method], bytes.get(offset..offset.checked_add(packed)?)?);
        let parts = [&name.id().0[..], &place, &shape, &raw.to_le_bytes(), data];
        let sum = derive("cairn 1 stone block", &parts);
        let at = input.offset();
        index.get_mut(at..at + 32)?.copy_from_slice(&sum);
        input.raw(32).ok()?;
        offset += packed;
    }
    Some(())
}

const STONE: Format = Format { resign: Some(stone_resign), ..frame(stone_round_trip) };
const SUMMARY: Format = Format { resign: Some(summary_resign), ..frame(summary_round_trip) };
const ENTRY: Format = Format { round_trip: entry_round_trip, canonical: true, resign: None };
const WAYPOINT: Format =
    Format { round_trip: waypoint_round_trip, canonical: true, resign: Some(waypoint_resign) };

fn hunk() -> Hunk {
    Hunk {
        after: Some(TokenId { origin: Origin::Hunk(HunkId([4; 32])), index: 7 }),
        before: Some(TokenId { origin: Origin::Genesis, index: 5 }),
        deleted: vec![Run { origin: Origin::Genesis, first: 3, count: 2 }],
        inserted: vec![b"let".to_vec(), b" ".to_vec()],
        settles: vec![HunkId([5; 32])],
        nonce: 1,
    }
}

fn split() -> Op {
    let cut = |depth, kind, name: &[u8], start, end| Cut { depth, kind, name: name.to_vec(), start, end };
    let cuts = vec![
        cut(0, NodeKind::Text, b"", 0, 4),
        cut(0, NodeKind::Item("impl".into()), b"A", 4, 90),
        cut(1, NodeKind::Item("fn".into()), b"run", 4, 90),
    ];
    Op::Split(Split { leaf: LeafId([6; 32]), codec: 2, cuts })
}

fn ops() -> Vec<(&'static str, Op)> {
    let node = NodeId([2; 32]);
    let kind = NodeKind::File;
    let place = Place { parent: NodeId([3; 32]), position: Vec::new(), name: b"main.rs".to_vec(), kind };
    let text = Body::Text { content: ContentHash::of(b"text"), bytes: 4, codec: 2 };
    let opaque = Body::Opaque { content: ContentHash::of(b"\0"), bytes: 1 };
    let artifact = Body::Artifact { artifact: ArtifactId([8; 32]), bytes: 5 << 30 };
    vec![
        ("op_place", Op::Place { node, place: Some(place) }),
        ("op_delete", Op::Place { node, place: None }),
        ("op_text", Op::Body { node, body: text }),
        ("op_opaque", Op::Body { node, body: opaque }),
        ("op_artifact", Op::Body { node, body: artifact }),
        ("op_link", Op::Body { node, body: Body::Link { target: b"../x".to_vec() } }),
        ("op_mode", Op::Mode { node, executable: true }),
        ("op_split", split()),
        ("op_edit", Op::Edit { leaf: LeafId([6; 32]), epoch: 1, hunks: vec![hunk()] }),
    ]
}

fn mark() -> Mark {
    Mark {
        name: "v1.0".into(),
        message: "the first".into(),
        frontier: vec![WaypointId([1; 32]), WaypointId([2; 32])],
        root: Root([9; 32]),
        feeds: feeds_root(&[(feed().id(), 4, LogHash([7; 32]))]),
        class: None,
        hold: None,
    }
}

fn payloads() -> Vec<(&'static str, Payload)> {
    let profile = Profile { name: "Ada".into(), mail: "ada@team.example".into() };
    let edge = Edge { kind: EdgeKind::Origin, target: WaypointId([3; 32]) };
    vec![
        ("entry_op", Payload::Op(Op::Mode { node: NodeId([2; 32]), executable: true })),
        ("entry_content", Payload::Content(b"text".to_vec())),
        ("entry_branch", Payload::Branch("main".into())),
        ("entry_message", Payload::Message("why\n".into())),
        ("entry_profile", Payload::Profile(profile)),
        ("entry_mark", Payload::Mark(mark())),
        ("entry_edge", Payload::Edge(edge)),
        ("entry_unknown", Payload::Unknown { kind: OPTIONAL | 9, bytes: b"later".to_vec() }),
    ]
}

/// An epoch that says what lies below it.
fn epoch() -> Epoch {
    let beside = vec![Beside { start: 2, count: 1 }, Beside { start: 5, count: 3 }];
    let absorbed = Absorbed { feed: feed().id(), n: 300, root: LogHash([6; 32]), beside };
    Epoch { root: Root([9; 32]), depth: 3, absorbed: vec![absorbed] }
}

/// Payloads that came after the first waypoints were written.
fn later_payloads() -> Vec<(&'static str, Payload)> {
    let held = Mark { class: Some("10 years".into()), hold: Some("case 7".into()), ..mark() };
    let retire = |what| Payload::Retire(Retire { what, name: "v1.0".into(), message: "superseded".into() });
    let imported = Imported {
        system: "git".into(),
        name: vec![0xab; 20],
        author: Profile { name: "Ada".into(), mail: "ada@example.org".into() },
        written_s: -86_400,
        offset_minutes: -150,
        odd: vec![Odd { path: b"lib".to_vec(), mode: 0o160_000 }, Odd { path: b"run".to_vec(), mode: 0 }],
        record: b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\n".to_vec(),
    };
    let floor = Floor { all_ms: 90 * 86_400_000, seen: vec![WaypointId([1; 32]), WaypointId([2; 32])] };
    vec![
        ("entry_local", Payload::Local),
        ("entry_floor", Payload::Floor(floor)),
        ("entry_imported", Payload::Imported(Box::new(imported))),
        ("entry_epoch", Payload::Epoch(Epoch::bare(Root([9; 32])))),
        ("entry_epoch_map", Payload::Epoch(epoch())),
        ("entry_mark_held", Payload::Mark(held)),
        ("entry_retire_mark", retire(Retired::Mark)),
        ("entry_retire_branch", retire(Retired::Branch)),
        ("entry_retire_hold", retire(Retired::Hold)),
    ]
}

pub(crate) fn waypoint(seq: u64, variant: u8) -> Waypoint {
    let mut payloads: Vec<_> = payloads().into_iter().map(|(_, payload)| payload).collect();
    payloads.push(Payload::Content(vec![variant; 4]));
    let entries = payloads.iter().zip(0u8..).map(|(payload, salt)| Entry::new([salt; 16], payload));
    let labels = Labels {
        feed: feed(),
        seq,
        stamp: Stamp { wall_ms: 1_700_000_000_000 + seq, counter: 2 },
        continued: seq == 3,
        parents: vec![WaypointId([seq as u8; 32])],
        grants: vec![GrantId([4; 32])],
    };
    Waypoint::new(labels, entries.collect()).unwrap()
}

pub(crate) fn log(n: u64) -> Log {
    let mut log = Log::new();
    (1..=n).for_each(|seq| log.append(&waypoint(seq, 0).id()));
    log
}

pub(crate) fn top(log: &Log) -> Verified<Top> {
    let top = Top { feed: feed(), n: log.len(), root: log.root(), grants: vec![GrantId([4; 32])] };
    top.sign(&keypair(1)).unwrap()
}

fn founding() -> Signed<FoundingRecord> {
    let founders = vec![keypair(1).key(), keypair(2).key()];
    let stamp = Stamp { wall_ms: 1_700_000_000_000, counter: 0 };
    let record = FoundingRecord { name: "main".into(), public: true, founders, nonce: [7; 16], stamp };
    record.sign(&keypair(1)).unwrap().into_signed()
}

fn grant() -> Grant {
    Grant {
        repo: founding().repo(),
        issuer: keypair(2).key(),
        subject: keypair(3).key(),
        role: Role::Write,
        scope: Scope::Project(project_id(founding().repo(), "owner/name")),
        delegable: true,
        depth: 2,
        not_after_ms: Some(1_800_000_000_000),
        uses: Some(5),
        parent: Some(GrantId([1; 32])),
        seen: vec![GrantId([1; 32]), GrantId([2; 32])],
        nonce: [8; 16],
    }
}

fn revocation() -> Revocation {
    Revocation {
        repo: founding().repo(),
        issuer: keypair(1).key(),
        grant: grant().id(),
        authority: None,
        cut: vec![(feed().id(), 12)],
        seen: vec![grant().id()],
        nonce: [9; 16],
    }
}

fn records() -> Vec<GrantRecord> {
    vec![grant().sign(&keypair(2)).unwrap(), revocation().sign(&keypair(1)).unwrap()]
}

fn signed_part(record: &GrantRecord) -> Vec<u8> {
    record.to_bytes()[1..].to_vec()
}

fn manifest() -> Manifest {
    let chunks = vec![
        Chunk { hash: ContentHash::of(b"a"), bytes: 1 << 20 },
        Chunk { hash: ContentHash::of(b"b"), bytes: 77 },
    ];
    Manifest {
        bytes: (1 << 20) + 77,
        chunks,
        media: "application/octet-stream".into(),
        name: "weights.bin".into(),
        lineage: vec![Lineage::Artifact(ArtifactId([1; 32])), Lineage::Waypoint(WaypointId([2; 32]))],
    }
}

fn fork() -> ForkProof {
    let mut other = Log::new();
    (1..=6).for_each(|seq| other.append(&waypoint(seq, u8::from(seq > 2)).id()));
    ForkProof::find(&top(&log(4)), &top(&other), &other).unwrap()
}

pub(crate) fn segment(from: u64, to: u64, n: u64) -> Segment {
    let log = log(n);
    let proof = (to < n).then(|| log.consistency(to, n).unwrap());
    let pieces = (from + 1..=to).map(|seq| waypoint(seq, 0).to_bytes()).collect();
    Segment { top: top(&log).into_signed(), start: from, pieces, proof, witnesses: Vec::new() }
}

/// A run whose last waypoint is shown ahead as well.
fn witnessed() -> Segment {
    let (shown, log) = (waypoint(6, 0), log(6));
    let proof = log.inclusion(5, 6).unwrap();
    let waypoint = shown.faded(&BTreeSet::new()).to_bytes();
    Segment { witnesses: vec![Witness { waypoint, proof }], ..segment(0, 3, 6) }
}

fn stone() -> Vec<u8> {
    let stored: Vec<_> = (5..=8)
        .map(|seq| match (seq, waypoint(seq, 0)) {
            (6, waypoint) => Stored::Faded(waypoint.id()),
            (7, waypoint) => Stored::Body(waypoint.without(|index, _| index == 4)),
            (_, waypoint) => Stored::Body(waypoint),
        })
        .collect();
    write_stone(&StoneName { feed: feed(), span: Span { start: 4, level: 2 } }, &stored).unwrap()
}

/// A stone of which the second half is gone.
fn gone_stone() -> Vec<u8> {
    let gone = Gone { level: 1, hash: log(8).subtree(1, 3).unwrap() };
    let stored = [Stored::Body(waypoint(5, 0)), Stored::Body(waypoint(6, 0)), Stored::Gone(gone)];
    write_stone(&StoneName { feed: feed(), span: Span { start: 4, level: 2 } }, &stored).unwrap()
}

/// A stone with some of everything, among it a content that lies in it twice.
fn packed_stone() -> Vec<u8> {
    let gone = Gone { level: 1, hash: log(8).subtree(1, 3).unwrap() };
    let mut stored: Vec<_> = (1..=6)
        .map(|seq| match (seq, waypoint(seq, 0)) {
            (2, waypoint) => Stored::Faded(waypoint.id()),
            (3, waypoint) => Stored::Body(waypoint.without(|index, _| index == 4)),
            (5, waypoint) => Stored::Body(waypoint.faded(&BTreeSet::new())),
            (_, waypoint) => Stored::Body(waypoint),
        })
        .collect();
    stored.push(Stored::Gone(gone));
    write_stone(&StoneName { feed: feed(), span: Span { start: 0, level: 3 } }, &stored).unwrap()
}

const SUMMARY_NAME: &str = "golden.sst";

fn summary_span() -> StoneName {
    StoneName { feed: feed(), span: Span { start: 0, level: 3 } }
}

/// The summary of six waypoints and a subtree that is gone.
fn summary() -> Vec<u8> {
    let gone = Gone { level: 1, hash: log(8).subtree(1, 3).unwrap() };
    let whole = (1..=6).map(|seq| Stored::Body(waypoint(seq, 0)));
    let stored: Vec<_> = whole.chain([Stored::Gone(gone)]).collect();
    let stone = write_stone(&summary_span(), &stored).unwrap();
    let summary = StoneReader::open(&stone[..]).unwrap().summarize().unwrap().unwrap();
    summary.to_file(SUMMARY_NAME).unwrap()
}

fn summary_round_trip(bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let summary = Summary::read(&summary_span(), SUMMARY_NAME, bytes)?;
    summary.to_file(SUMMARY_NAME).ok_or(Reject::Compression)
}

/// Puts a true checksum on a changed summary.
fn summary_resign(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.get(..bytes.len().checked_sub(32)?)?;
    let sum = derive("cairn 1 summary", &[SUMMARY_NAME.as_bytes(), body]);
    Some([body, &sum].concat())
}

fn faded_stone() -> Vec<u8> {
    let name = StoneName { feed: feed(), span: Span { start: 4, level: 2 } };
    write_faded_stone(&name, log(8).subtree(2, 1).unwrap()).unwrap()
}

fn frames() -> Vec<(&'static str, Vec<u8>, Format)> {
    let tag = RepoTag([5; 32]);
    let (project, feed) = (feed().project, feed().id());
    let fetch = Request::Fetch { tag, project, feed, from: 3, bytes_max: 1 << 20 };
    let tip = |n| Tip { n, root: log(n).root() };
    let side =
        Request::Side { tag, project, feed, top: tip(4), known: vec![tip(2), tip(3)], bytes_max: 1 << 20 };
    let opened = Response::Opened {
        founding: founding(),
        grants: records(),
        projects: vec![("owner/name".into(), project)],
        tops: vec![top(&log(4)).into_signed()],
    };
    let requests = [
        ("request_open", Request::Open { tag, grants: records() }),
        ("request_fetch", fetch),
        ("request_push", Request::Push { tag, segment: segment(0, 2, 2) }),
        ("request_forks", Request::Forks { tag, proofs: vec![fork()] }),
        ("request_side", side),
    ];
    let responses = [
        ("response_opened", opened),
        ("response_absent", Response::Absent),
        ("response_segment", Response::Segment(segment(0, 3, 6))),
        ("response_witness", Response::Segment(witnessed())),
        ("response_pushed", Response::Pushed { n: 6 }),
        ("response_rejected", Response::Rejected { code: Reject::Signature.code() }),
    ];
    let announce = Announce { segment: segment(0, 1, 1) };
    let requests =
        requests.map(|(name, request)| (name, request.to_frame().unwrap(), frame(request_round_trip)));
    let responses =
        responses.map(|(name, response)| (name, response.to_frame().unwrap(), frame(response_round_trip)));
    let announce = ("announce", announce.to_frame().unwrap(), frame(announce_round_trip));
    requests.into_iter().chain(responses).chain([announce]).collect()
}

/// One of each record.
pub(crate) fn samples() -> Vec<Sample> {
    let mut all: Vec<(&'static str, Vec<u8>, Format)> = vec![("hunk", hunk().to_bytes(), plain::<Hunk>())];
    all.extend(ops().into_iter().map(|(name, op)| (name, op.to_bytes(), plain::<Op>())));
    let entries = payloads().into_iter().chain(later_payloads());
    all.extend(entries.map(|(name, payload)| (name, Entry::new([1; 16], &payload).to_bytes(), ENTRY)));
    let erased = waypoint(2, 0).without(|index, _| index == 3);
    let faded = waypoint(2, 0).faded(&BTreeSet::new());
    let records = records();
    all.extend([
        ("waypoint", waypoint(1, 0).to_bytes(), WAYPOINT),
        ("waypoint_erased", erased.to_bytes(), WAYPOINT),
        ("waypoint_faded", faded.to_bytes(), WAYPOINT),
        ("top", top(&log(4)).signed().to_bytes(), signed::<Top>()),
        ("founding", founding().to_bytes(), signed::<FoundingRecord>()),
        ("grant", signed_part(&records[0]), signed::<Grant>()),
        ("revocation", signed_part(&records[1]), signed::<Revocation>()),
        ("grant_record", records[1].to_bytes(), plain::<GrantRecord>()),
        ("manifest", manifest().to_bytes(), plain::<Manifest>()),
        ("inclusion", log(6).inclusion(2, 6).unwrap().to_bytes(), plain::<InclusionProof>()),
        ("consistency", log(7).consistency(3, 7).unwrap().to_bytes(), CONSISTENCY),
        ("fork", fork().to_bytes(), FORK),
        ("stone", stone(), STONE),
        ("stone_faded", faded_stone(), STONE),
        ("stone_gone", gone_stone(), STONE),
        ("stone_packed", packed_stone(), STONE),
        ("summary", summary(), SUMMARY),
        ("bundle", bundle::bundle(), bundle::BUNDLE),
        ("bundle_artifacts", bundle::with_artifacts(), bundle::BUNDLE),
        ("provenance", provenance::provenance(), provenance::PROVENANCE),
    ]);
    all.extend(frames());
    all.into_iter().map(|(name, bytes, format)| Sample { name, bytes, format }).collect()
}

const CONSISTENCY: Format = Format { round_trip: proof_round_trip, canonical: true, resign: None };
const FORK: Format = Format { round_trip: fork_round_trip, canonical: true, resign: None };
