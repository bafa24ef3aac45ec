//! Stones as they are written.

use super::*;
use crate::entry::{Entry, Payload};
use crate::limits::PACK_ITEMS_MAX;
use crate::stone::pack::PackIndex;
use crate::stone::streams::Streams;
use crate::stone::writer::ending;
use cairn_crdt::hunk::{Hunk, Origin, Run, TokenId};
use cairn_crdt::id::{ContentHash, HunkId, LeafId, NodeId};
use cairn_crdt::op::{Body, Cut, NodeKind, Op, Split};

/// Some waypoints have contents, some of them alike, some have faded in part or as a whole, and one has other parents.
fn mixed(n: u64) -> Vec<Stored> {
    let feed = feed(1, "p", 1);
    let (mut before, mut stored) = (Vec::new(), Vec::new());
    for seq in 1..=n {
        let text = format!("line {}\n", seq / 2).repeat(if seq % 9 == 0 { 9_000 } else { 9 }).into_bytes();
        let parents = if seq == 40 { vec![WaypointId([7; 32]), WaypointId([9; 32])] } else { before.clone() };
        let labels = crate::waypoint::Labels { parents, ..crate::samples::labels(feed, seq) };
        let body = Body::Opaque { content: ContentHash::of(&text), bytes: text.len() as u64 };
        let op = Op::Body { node: NodeId([seq as u8 % 3; 32]), body };
        let message = Payload::Message(format!("number {seq}"));
        let payloads = [Payload::Content(text), Payload::Op(op), message, Payload::Op(taken_apart(seq))];
        let entry = |(index, payload)| Entry::new([seq as u8 ^ index; 16], payload);
        let waypoint = Waypoint::new(labels, (0..).zip(&payloads).map(entry).collect()).unwrap();
        before = vec![waypoint.id()];
        stored.push(match seq {
            5 | 6 => Stored::Faded(waypoint.id()),
            7 => Stored::Body(waypoint.faded(&std::collections::BTreeSet::new())),
            8 => Stored::Body(waypoint.without(|index, _| index == 1)),
            _ => Stored::Body(waypoint),
        });
    }
    stored
}

/// An operation of those that have columns; a split whose cuts are in no order too.
fn taken_apart(seq: u64) -> Op {
    let (leaf, number) = (LeafId([seq as u8 % 5; 32]), seq as u32);
    if seq.is_multiple_of(2) {
        let cut = |depth, start, end| {
            let kind = if depth == 0 { NodeKind::Item("impl".into()) } else { NodeKind::Text };
            Cut { depth, kind, name: b"run".to_vec(), start, end }
        };
        let cuts =
            vec![cut(0, 0, 10 * number), cut(1, 0, 9), cut(2, 9, 9), cut(0, 4, u32::MAX), cut(1, 2, 3)];
        return Op::Split(Split { leaf, codec: 2, cuts });
    }
    let token = |origin, index| Some(TokenId { origin, index });
    let hunk = Hunk {
        after: token(Origin::Hunk(HunkId([seq as u8; 32])), u32::MAX),
        before: token(Origin::Genesis, number).filter(|_| seq.is_multiple_of(3)),
        deleted: vec![Run { origin: Origin::Genesis, first: number, count: 2 }; (seq % 3) as usize],
        inserted: vec![b"let".to_vec(), vec![b' '; seq as usize]],
        settles: vec![HunkId([5; 32]); (seq % 2) as usize],
        nonce: number,
    };
    Op::Edit { leaf, epoch: 1, hunks: vec![hunk.clone(), hunk] }
}

fn name(level: u8) -> StoneName {
    StoneName { feed: feed(1, "p", 1), span: Span { start: 0, level } }
}

fn lean(stored: &Stored) -> Stored {
    match stored {
        Stored::Body(waypoint) => Stored::Body(waypoint.without(|_, entry| entry.is_content())),
        other => other.clone(),
    }
}

#[test]
fn waypoints_that_were_taken_apart_are_put_together_again() {
    let stored = mixed(64);
    let file = packed(&name(6), &stored);
    let reader = StoneReader::open(&file[..]).unwrap();
    reader.verify(&reader.hash()).unwrap();
    assert_eq!(reader.read_all().collect::<Result<Vec<_>, _>>().unwrap(), stored);
    let leans = reader.read_lean().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(leans, stored.iter().map(lean).collect::<Vec<_>>());
    for (place, item) in stored.iter().enumerate().rev() {
        assert_eq!(reader.read(place as u64).as_ref(), Ok(item));
    }
    assert!(reader.kept_bytes() > 0);
    reader.forget();
    assert_eq!((reader.kept_bytes(), reader.read_from(63).count()), (0, 1));
}

#[test]
fn a_packed_stone_is_smaller_than_a_listed_one() {
    let stored = mixed(64);
    let (new, old) = (packed(&name(6), &stored).len(), listed::listed(&name(6), &stored).len());
    assert!(new * 3 < old * 2, "{new} and {old}");
}

#[test]
fn a_content_lies_once_in_a_pack() {
    let mut noise = vec![0; 50_000];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    let body = |seq| Stored::Body(crate::samples::waypoint(feed(1, "p", 1), seq, &noise));
    let all: Vec<Stored> = (1..=16).map(body).collect();
    let file = packed(&name(4), &all);
    assert!(file.len() < 60_000, "{}", file.len());
    let reader = StoneReader::open(&file[..]).unwrap();
    assert_eq!(reader.read_all().collect::<Result<Vec<_>, _>>().unwrap(), all);
}

#[test]
fn a_large_stone_has_many_packs_and_full_ones_stay_as_they_are() {
    let level = PACK_ITEMS_MAX.ilog2() as u8;
    let all: Vec<Stored> = waypoints(feed(1, "p", 1), 3 << level).into_iter().map(Stored::Body).collect();
    let (first, rest) = all.split_at(1 << level);
    let part = |start: u64, level, stored: &[Stored]| {
        packed(&StoneName { span: Span { start, level }, ..name(0) }, stored)
    };
    let end = 1 << level;
    let parts = [part(0, level, first), part(end, level - 1, &rest[..1 << (level - 1)])];
    let last = part(end + (1 << (level - 1)), level - 1, &rest[1 << (level - 1)..1 << level]);
    let [first, second] = parts;
    let file = merged(&[first.clone(), second, last], level + 1).unwrap();
    let reader = StoneReader::open(&file[..]).unwrap();
    reader.verify(&reader.hash()).unwrap();
    assert_eq!((reader.parts(), reader.part_start(1)), (2, 1 << level));
    let end = StoneReader::open(&first[..]).unwrap().foot.index_offset as usize;
    assert_eq!(file[HEADER_BYTES..end], first[HEADER_BYTES..end]);
    for (place, item) in all.iter().enumerate().take(2 << level).step_by(977) {
        assert_eq!(reader.read(place as u64).as_ref(), Ok(item));
        let next = reader.read_from(place as u64).next();
        assert_eq!(next, Some(Ok(item.clone())));
    }
}

#[test]
fn a8_a_damaged_block_is_not_taken_over() {
    let full: Vec<u8> = (0..1 << 20).flat_map(|n: u32| n.to_le_bytes()).collect();
    for text in [&full[..], b"small"] {
        let feed = feed(1, "p", 1);
        let stored = Stored::Body(crate::samples::waypoint(feed, 1, text));
        let file = write_stone(&StoneName { feed, span: Span { start: 0, level: 0 } }, &[stored]).unwrap();
        assert!(merged(std::slice::from_ref(&file), 0).is_ok());
        let mut bad = file.clone();
        bad[HEADER_BYTES + 9] ^= 1;
        let refused = Reject::Stone { offset: HEADER_BYTES as u64, what: "checksum of a block" };
        assert_eq!(merged(&[bad], 0), Err(refused));
    }
}

/// Writes a stone of one pack again with other streams and another index, and true checksums, as a hostile maker would.
fn with_pack(file: &[u8], change: impl FnOnce(&mut Streams, &mut PackIndex)) -> Vec<u8> {
    let reader = StoneReader::open(file).unwrap();
    let mut index = reader.packs.index.clone();
    let pack = index.packs[0].clone();
    assert_eq!((reader.parts(), pack.alike, pack.random), (1, 1, 1));
    let contents = (2..pack.blocks()).map(|block| reader.block(block).unwrap()).collect();
    let (alike, random) = (reader.block(0).unwrap(), reader.block(1).unwrap());
    let mut streams = Streams { alike, random, contents };
    change(&mut streams, &mut index);
    let mut bad = file[..HEADER_BYTES].to_vec();
    let raws = [&streams.alike, &streams.random].into_iter().chain(&streams.contents);
    for (number, raw) in raws.enumerate() {
        let Some(block) = index.blocks.get_mut(number) else { continue };
        let raw_bytes = if block.raw_bytes == reader.blocks()[number].raw_bytes {
            raw.len() as u32
        } else {
            block.raw_bytes
        };
        let sum = block_sum(reader.name(), number as u32, Method::Stored, raw_bytes, raw);
        *block = super::super::index::Block {
            method: Method::Stored,
            raw_bytes,
            packed_bytes: raw.len() as u32,
            sum,
        };
        bad.extend(raw);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bad);
    bad.extend(ending(&reader.head, bad.len() as u64, &index.to_bytes(), reader.hash(), hasher));
    bad
}

#[test]
fn a10_lies_in_the_index_of_a_packed_stone_are_refused() {
    let file = packed(&name(5), &mixed(32));
    let hash = StoneReader::open(&file[..]).unwrap().hash();
    let lie =
        |change: &dyn Fn(&mut PackIndex)| read_whole(&with_pack(&file, |_, index| change(index)), &hash);
    lie(&|_| {}).unwrap();
    let lies: [&dyn Fn(&mut PackIndex); 15] = [
        &|index| index.packs[0].alike = u32::MAX,
        &|index| index.packs[0].alike = 0,
        &|index| index.packs[0].random = 0,
        &|index| index.packs[0].contents += 1,
        &|index| index.packs[0].contents = 1 << 13,
        &|index| index.packs[0].items -= 1,
        &|index| index.packs[0].items = u32::MAX,
        &|index| index.packs[0].count -= 1,
        &|index| index.packs[0].nodes[0].level -= 1,
        &|index| index.packs[0].nodes[0].hash.0[0] ^= 1,
        &|index| index.packs[0].nodes.clear(),
        &|index| index.packs.push(index.packs[0].clone()),
        &|index| index.packs.clear(),
        &|index| index.blocks[0].raw_bytes = 9 << 20,
        &|index| index.blocks[2].raw_bytes -= 1,
    ];
    for (number, change) in lies.iter().enumerate() {
        assert!(lie(change).is_err(), "lie {number}");
    }
}

#[test]
fn a8_changed_streams_under_true_checksums_are_refused() {
    let file = packed(&name(5), &mixed(32));
    let reader = StoneReader::open(&file[..]).unwrap();
    let (hash, streams) = (reader.hash(), [0, 1, 2].map(|block| reader.block(block).unwrap().len()));
    for (which, bytes) in streams.into_iter().enumerate() {
        for at in (0..bytes).step_by(1 + bytes / 400) {
            for flip in [1, 0x80] {
                let bad = with_pack(&file, |streams, _| {
                    let stream = [&mut streams.alike, &mut streams.random, &mut streams.contents[0]];
                    let [alike, random, contents] = stream;
                    [alike, random, contents][which][at] ^= flip;
                });
                let read = read_whole(&bad, &hash);
                assert!(matches!(read, Err(Reject::Stone { .. })), "{which} byte {at}: {read:?}");
            }
        }
        let longer = with_pack(&file, |streams, _| match which {
            0 => streams.alike.push(0),
            1 => streams.random.push(0),
            _ => streams.contents[0].push(0),
        });
        assert!(read_whole(&longer, &hash).is_err());
    }
}

#[test]
fn a9_a_content_that_is_not_there_is_allocated_by_nobody() {
    let file = packed(&name(0), &mixed(1));
    let hash = StoneReader::open(&file[..]).unwrap().hash();
    // The size of the content stands behind the count of grants, the grants, the count of contents and its number.
    let at = StoneReader::open(&file[..])
        .unwrap()
        .block(0)
        .unwrap()
        .windows(4)
        .position(|size| size == 63u32.to_le_bytes());
    for size in [62, 64, 1 << 20, u32::MAX] {
        let bad = with_pack(&file, |streams, _| {
            streams.alike[at.unwrap()..][..4].copy_from_slice(&u32::to_le_bytes(size));
        });
        assert!(read_whole(&bad, &hash).is_err(), "{size}");
    }
}
