//! Summaries against the stones that they are made of.

use super::*;
use crate::entry::{Entry, Payload};
use crate::skeleton::Skeleton;
use crate::stone::Summary;
use cairn_crdt::id::ContentHash;
use cairn_crdt::op::{Body, Op};

const FILE: &str = "one.sst";

/// Waypoints that write, with two contents each, and four that are gone at the end.
fn writing() -> Vec<Stored> {
    let feed = feed(1, "p", 1);
    let (mut before, mut stored) = (Vec::new(), Vec::new());
    for seq in 1..=28u64 {
        let texts = [format!("one {seq}").repeat(90).into_bytes(), format!("two {seq}").into_bytes()];
        let node = cairn_crdt::id::NodeId([seq as u8 % 3; 32]);
        let body = Body::Opaque { content: ContentHash::of(&texts[0]), bytes: texts[0].len() as u64 };
        let labels = crate::waypoint::Labels {
            parents: if seq == 9 { vec![WaypointId([1; 32]), WaypointId([2; 32])] } else { before },
            continued: seq == 4,
            ..crate::samples::labels(feed, seq)
        };
        let [one, two] = texts.map(Payload::Content);
        let payloads = [one, Payload::Op(Op::Body { node, body }), two, Payload::Branch("main".to_owned())];
        let entries = payloads.iter().map(|payload| Entry::new([seq as u8; 16], payload)).collect();
        let waypoint = Waypoint::new(labels, entries).unwrap();
        before = vec![waypoint.id()];
        stored.push(Stored::Body(if seq == 6 { waypoint.faded(&Default::default()) } else { waypoint }));
    }
    stored.push(Stored::Gone(Gone { level: 2, hash: LogHash([5; 32]) }));
    stored
}

fn name() -> StoneName {
    StoneName { feed: feed(1, "p", 1), span: Span { start: 0, level: 5 } }
}

fn summary(stored: &[Stored]) -> (Vec<u8>, Summary) {
    let file = packed(&name(), stored);
    let summary = StoneReader::open(&file[..]).unwrap().summarize().unwrap().unwrap();
    (file, summary)
}

#[test]
fn a_summary_says_what_the_stone_says() {
    let stored = writing();
    let (file, summary) = summary(&stored);
    let pieces = stored.iter().filter_map(|stored| stored.clone().into_piece());
    assert_eq!(summary.skeletons, pieces.map(|piece| Skeleton::of(&piece)).collect::<Vec<_>>());
    let reader = StoneReader::open(&file[..]).unwrap();
    let mut begins = Vec::new();
    for (place, stored) in (0..).zip(&stored) {
        let Stored::Body(waypoint) = stored else { continue };
        let own: Vec<_> = waypoint.entries().filter(|entry| entry.is_content()).collect();
        let own: Vec<_> = own.iter().map(|entry| entry.payload.clone()).collect();
        assert_eq!(reader.lying(&summary.contents, place).unwrap(), own);
        begins.extend(reader.begins(&summary.contents, place));
    }
    begins.dedup();
    assert_eq!(begins.len(), 27, "each lies somewhere else, the faded one nowhere");
}

#[test]
fn a_summary_counts_for_one_file_and_as_it_was_written() {
    let (_, summary) = summary(&writing());
    let bytes = summary.to_file(FILE).unwrap();
    assert_eq!(Summary::read(&name(), FILE, &bytes).unwrap(), summary);
    assert_eq!(Summary::read_lying(&name(), FILE, &bytes).unwrap(), summary.contents);
    assert!(Summary::read(&name(), "two.sst", &bytes).is_err());
    for at in (0..bytes.len()).step_by(7) {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(Summary::read(&name(), FILE, &other).is_err(), "{at}");
        assert!(Summary::read(&name(), FILE, &bytes[..at]).is_err(), "{at}");
    }
    let longer = StoneName { span: Span { start: 0, level: 6 }, ..name() };
    assert!(Summary::read(&longer, FILE, &bytes).is_err(), "it says nothing of the other half");
}

#[test]
fn a_stone_of_which_little_else_is_left_gives_its_own_skeletons() {
    let stored = writing().into_iter().map(|stored| match stored {
        Stored::Body(waypoint) => Stored::Body(waypoint.faded(&Default::default())),
        other => other,
    });
    let (_, summary) = summary(&stored.collect::<Vec<_>>());
    assert!(summary.skeletons.is_empty() && summary.contents.is_empty());
    let mut named = writing();
    named[3] = Stored::Faded(named[3].id().unwrap());
    let file = packed(&name(), &named);
    assert_eq!(StoneReader::open(&file[..]).unwrap().summarize().unwrap(), None);
}
